"""The preview lists each file that a migration writes or takes away, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.cluster import (
    APISERVER,
    ETCD,
    OURS,
    TEMPLATES,
    cluster,
    edited,
    etcd_host,
    fenced_master,
    master,
    topology,
)
from tests.unit.pki_files import this_moment
from tests.unit.preview_source import CONFIRMED, KUBEADM_CONFIG, migrated, source
from unstack.compose import render_compose
from unstack.manifest import ManifestError
from unstack.pki import Pki, ensure_pki, foresee_pki
from unstack.placement import external_manifest, place
from unstack.preview.masters import config_map, master_files
from unstack.preview.members import member_files
from unstack.preview.source import FileChange, Source, sha256_of

MEMBER = topology().members[0]
KEPT = "/etc/kubernetes/unstack"
PKI = "/etc/kubernetes/pki/etcd-external"
NEW_MANIFEST = external_manifest(
    place(master(), topology()), topology(), (TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text()
)
COMPOSE = render_compose(topology(), MEMBER, (TEMPLATES / "docker-compose.yaml.j2").read_text())


def _of_master(found: Source, name: str = "master-2") -> dict[str, str]:
    return {change.path: change.kind.value for change in master_files(found, name)}


def _of_member(found: Source) -> dict[str, str]:
    return {change.path: change.kind.value for change in member_files(found, MEMBER)}


def _change(changes: list[FileChange], path: str) -> FileChange:
    (found,) = (change for change in changes if change.path == path)
    return found


FRESH_MASTER = {
    f"{PKI}/ca.crt": "new",
    f"{PKI}/client.crt": "new",
    f"{PKI}/client.key": "new",
    f"{KEPT}/prepared/kube-apiserver.yaml": "new",
    f"{KEPT}/stacked/kube-apiserver.yaml": "new",
    f"{KEPT}/stacked/etcd.yaml": "new",
    f"{KEPT}/stacked/etcdutl": "new",
    "/etc/kubernetes/manifests/kube-apiserver.yaml": "changed",
    "/etc/kubernetes/manifests/etcd.yaml": "removed",
    f"{KEPT}/confirmed": "new",
}
FIRST_MASTER = {
    "/var/lib/unstack/snapshot-<run>.db": "new",
    "/var/lib/unstack/snapshot.json": "new",
    f"{KEPT}/stacked/ClusterConfiguration.yaml": "new",
}


def test_a_fresh_master_gets_its_certificates_and_loses_its_stacked_etcd() -> None:
    assert _of_master(source()) == FRESH_MASTER


def test_the_first_master_takes_the_snapshot_and_keeps_kubeadms_configuration() -> None:
    assert _of_master(source(), "master-1") == {**FRESH_MASTER, **FIRST_MASTER}


def test_the_diff_of_the_manifest_holds_its_etcd_settings_alone() -> None:
    change = _change(master_files(source(), "master-1"), "/etc/kubernetes/manifests/kube-apiserver.yaml")
    moved = [line for line in change.diff[2:] if line[0] in "+-"]
    assert len(moved) == 8
    assert all("--etcd-" in line for line in moved)


def test_what_was_prepared_ahead_is_not_listed_again() -> None:
    sums = {f"{KEPT}/prepared/kube-apiserver.yaml": sha256_of(NEW_MANIFEST)}
    assert f"{KEPT}/prepared/kube-apiserver.yaml" not in _of_master(source(sums={"master-2": sums}))
    sums = {f"{KEPT}/prepared/kube-apiserver.yaml": sha256_of("of an older manifest")}
    assert _of_master(source(sums={"master-2": sums}))[f"{KEPT}/prepared/kube-apiserver.yaml"] == "changed"


def test_snapshots_of_earlier_runs_are_removed() -> None:
    old = {"/var/lib/unstack/snapshot-1.db": "large", "/var/lib/unstack/snapshot.json": "ab"}
    found = _of_master(source(sums={"master-1": old}), "master-1")
    assert found["/var/lib/unstack/snapshot-1.db"] == "removed"
    assert found["/var/lib/unstack/snapshot.json"] == "changed"


def test_a_fenced_masters_manifests_come_back_from_where_they_are_kept() -> None:
    fenced = cluster(masters={f"master-{number}": fenced_master() for number in (1, 2, 3)})
    found = _of_master(source(fenced))
    for component in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        assert found[f"/etc/kubernetes/manifests/{component}.yaml"] == "new"
        assert found[f"{KEPT}/fenced/{component}.yaml"] == "removed"


def test_a_migrated_cluster_has_nothing_to_change() -> None:
    found = source(migrated())
    assert [_of_master(found, f"master-{number}") for number in (1, 2, 3)] == [{}, {}, {}]
    assert _of_member(found) == {}
    assert config_map(found) is None


def test_a_confirmation_without_a_record_gets_one_and_records_of_an_earlier_move_go() -> None:
    moved = migrated()
    old = replace(moved.masters["master-2"], confirmed=None)
    found = source(replace(moved, masters={**moved.masters, "master-2": old}))
    assert _of_master(found) == {f"{KEPT}/confirmed": "new"}
    stacked = master(confirmed=CONFIRMED, decommissioning=CONFIRMED, decommissioned=CONFIRMED)
    found = source(cluster(masters={f"master-{number}": stacked for number in (1, 2, 3)}))
    assert _of_master(found) == {
        **FRESH_MASTER,
        f"{KEPT}/confirmed": "changed",
        f"{KEPT}/decommissioning": "removed",
        f"{KEPT}/decommissioned": "removed",
    }


def test_an_unfinished_confirmation_keeps_the_stacked_etcd_until_it_is_retired() -> None:
    moved = migrated(kubeadm_config=KUBEADM_CONFIG)
    live = {**moved.masters["master-2"].live, "etcd": ETCD}
    left = replace(
        moved, masters={**moved.masters, "master-2": replace(moved.masters["master-2"], live=live)}
    )
    assert _of_master(source(left)) == {
        f"{KEPT}/stacked/etcd.yaml": "new",
        f"{KEPT}/stacked/etcdutl": "new",
        "/etc/kubernetes/manifests/etcd.yaml": "removed",
    }
    assert _of_master(source(left), "master-1") == {f"{KEPT}/stacked/ClusterConfiguration.yaml": "new"}
    change = config_map(source(left))
    assert change is not None
    assert "+  external:" in change.diff


def test_where_no_api_server_answers_kubeadms_configuration_is_kept_once() -> None:
    fenced = cluster(masters={f"master-{number}": fenced_master() for number in (1, 2, 3)})
    path = f"{KEPT}/stacked/ClusterConfiguration.yaml"
    assert _of_master(source(fenced), "master-1")[path] == "new"
    assert path not in _of_master(source(fenced, sums={"master-1": {path: "ab"}}), "master-1")
    assert config_map(source(fenced)) is None


def test_a_secret_that_somebody_put_into_the_manifest_is_masked() -> None:
    text = edited("    - --etcd-servers=", "    - --some-token=hunter2\n    - --etcd-servers=")
    secret = cluster(masters={**cluster().masters, "master-2": master(live=text)})
    change = _change(
        master_files(source(secret), "master-2"), "/etc/kubernetes/manifests/kube-apiserver.yaml"
    )
    shown = "\n".join(change.diff)
    assert "--some-token=***" in shown
    assert "hunter2" not in shown


def test_a_manifest_that_can_not_be_read_is_told() -> None:
    broken = cluster(masters={**cluster().masters, "master-2": master(live={"etcd": ETCD})})
    with pytest.raises(ManifestError, match="can't be read"):
        master_files(source(broken), "master-2")
    opt = edited("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")
    broken = cluster(masters={**cluster().masters, "master-2": master(live=opt)})
    with pytest.raises(ManifestError, match="mounts no host directory"):
        master_files(source(broken), "master-2")


FRESH_MEMBER = {
    **{
        f"/etc/etcd/pki/{file}": "new"
        for file in (
            "ca.crt",
            *(f"{pair}.{end}" for pair in ("server", "peer", "operator-client") for end in ("crt", "key")),
        )
    },
    "/etc/etcd/docker-compose.yaml": "new",
    "/var/lib/etcd-external/snapshot-<run>.db": "new",
    "/var/lib/etcd-external/restored.json": "new",
    "/var/lib/etcd-external/data/": "new",
}


def test_a_fresh_etcd_host_gets_certificates_a_compose_file_and_data() -> None:
    assert _of_member(source()) == FRESH_MEMBER


def test_a_compose_file_is_compared_with_what_is_there() -> None:
    path = "/etc/etcd/docker-compose.yaml"
    assert path not in _of_member(source(sums={"etcd-1": {path: sha256_of(COMPOSE)}}))
    old = COMPOSE.replace("50m", "10m")
    changed = source(sums={"etcd-1": {path: sha256_of(old)}}, texts={"etcd-1": old})
    change = _change(member_files(changed, MEMBER), path)
    assert change.kind.value == "changed"
    assert [line.strip() for line in change.diff[2:] if line[0] in "+-"] == [
        '-        max-size: "10m"',
        '+        max-size: "50m"',
    ]


def test_an_unfinished_runs_data_is_set_aside() -> None:
    hosts = {**cluster().etcd_hosts, "etcd-1": etcd_host(has_data=True, restored=OURS, container="exited")}
    directory = "/var/lib/etcd-external"
    old = {f"{directory}/{file}": "large" for file in ("snapshot-1.db", "etcdutl", "restored.json")}
    found = _of_member(source(cluster(etcd_hosts=hosts), sums={"etcd-1": old}))
    assert found[f"{directory}/previous-<run>/"] == "new"
    assert found[f"{directory}/data/"] == "changed"
    assert found[f"{directory}/restored.json"] == "changed"
    assert found[f"{directory}/snapshot-1.db"] == found[f"{directory}/etcdutl"] == "removed"


def test_certificates_that_are_kept_and_there_are_not_listed(tmp_path: Path) -> None:
    made: Pki = ensure_pki(tmp_path / "pki", topology(), this_moment())
    foreseen = foresee_pki(tmp_path / "pki", topology(), this_moment())
    peer = made.peer["etcd-1"]
    sums = {
        "/etc/etcd/pki/ca.crt": sha256_of(made.ca_certificate_pem),
        "/etc/etcd/pki/peer.crt": sha256_of(peer.certificate_pem),
        "/etc/etcd/pki/peer.key": sha256_of(peer.private_key_pem),
        "/etc/etcd/pki/server.crt": sha256_of("another one"),
    }
    found = _of_member(source(pki=foreseen, sums={"etcd-1": sums}))
    expected = {path: kind for path, kind in FRESH_MEMBER.items() if path not in sums}
    assert found == {**expected, "/etc/etcd/pki/server.crt": "changed"}
    client = {f"{PKI}/client.crt": sha256_of(made.apiserver_client.certificate_pem)}
    assert f"{PKI}/client.crt" not in _of_master(source(pki=foreseen, sums={"master-2": client}))


def test_a_manifest_that_was_kept_by_an_earlier_run_is_replaced_where_it_differs() -> None:
    path = f"{KEPT}/stacked/kube-apiserver.yaml"
    assert path not in _of_master(source(sums={"master-2": {path: sha256_of(APISERVER)}}))
    assert _of_master(source(sums={"master-2": {path: sha256_of("older")}}))[path] == "changed"
