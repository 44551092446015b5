"""The preview of a live migration: one cluster that grows and shrinks, and an API that stays."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.cluster import (
    APISERVER,
    ETCD,
    EXTERNAL,
    TEMPLATES,
    cluster,
    etcd_host,
    external_member,
    joined,
    joining,
    master,
    member,
    topology,
)
from tests.unit.preview_source import KUBEADM_CONFIG, source
from unstack.compose import render_compose
from unstack.observations import Restored
from unstack.pki import foresee_adopted
from unstack.preflight import Cluster
from unstack.preview import Source, preview
from unstack.preview.live import steps
from unstack.preview.masters import master_files
from unstack.preview.members import member_files
from unstack.preview.source import sha256_of
from unstack.strategy import Strategy

KEPT = "/etc/kubernetes/unstack"
DATA = "/var/lib/etcd-external"
LIVE = topology(strategy="live")
OURS = etcd_host(
    has_data=True,
    restored=Restored.joined("test", "20261124T000000Z"),
    container="running",
    container_is_ours=True,
)


def _manifests(number: int, servers: str = "https://127.0.0.1:2379") -> dict[str, str]:
    """Those of one master, with its own stacked member."""
    return {
        **master().live,
        "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", servers),
        "etcd": ETCD.replace("172.30.0.12", f"172.30.0.1{number}"),
    }


def _live(**changes: object) -> Cluster:
    masters = {f"master-{number}": master(live=_manifests(number)) for number in (1, 2, 3)}
    fields = {
        "strategy": Strategy.LIVE,
        "topology": LIVE,
        "kubeadm_config": KUBEADM_CONFIG,
        "masters": masters,
    }
    return cluster(**{**fields, "joining": joining(), **changes})


def _growing() -> Source:
    """etcd-1 votes, etcd-2 learns."""
    stacked = joined(external_member(1), external_member(2, is_learner=True))
    hosts = {"etcd-1": OURS, "etcd-2": OURS, "etcd-3": etcd_host()}
    return source(_live(stacked=stacked, etcd_hosts=hosts, joining=None))


def _shrinking(left: int) -> Source:
    """Every API server is on the external members; `left` stacked members have left."""
    listed = joined(*map(external_member, (1, 2, 3)), left=left)["master-3"].members
    masters = {}
    for number in (1, 2, 3):
        live = _manifests(number, EXTERNAL)
        if number <= left:
            del live["etcd"]
        masters[f"master-{number}"] = master(live=live)
    return source(
        _live(
            masters=masters,
            etcd_hosts={f"etcd-{number}": OURS for number in (1, 2, 3)},
            stacked={},
            external={f"etcd-{number}": member(30 + number, members=listed) for number in (1, 2, 3)},
            joining=None,
        ),
        texts={"etcd-1": "the file by which it joined"},
        sums={"etcd-1": {"/etc/etcd/docker-compose.yaml": "ab"}},
    )


def _section(text: str, title: str) -> str:
    return " ".join(text.split(f"\n\n{title}\n", 1)[1].split("\n\n", 1)[0].split())


def test_tells_that_there_is_no_outage_and_how_far_there_is_a_way_back() -> None:
    text = preview(source(_live()))
    assert _section(text, "Strategy").startswith("live: the external members join the running cluster")
    assert "None of the API as a whole" in _section(text, "Outage")
    assert "on master-1, master-2, master-3" in _section(text, "Outage")
    back = _section(text, "Point of no return")
    assert back.startswith("The departure of the first stacked member, in shrink.")
    assert max(map(len, text.splitlines())) <= 110
    assert "fence" not in text
    assert "cutover" not in text


def test_tells_why_auto_has_chosen() -> None:
    auto = {"topology": topology(strategy="auto"), "joining": joining()}
    text = _section(preview(source(_live(**auto))), "Strategy")
    assert text.startswith('live, chosen by strategy = "auto": - readings: every host answered')
    assert "- trust: the stacked etcd's CA key" in text
    slow = joining(sync_seconds={"etcd-3": (0.5,) * 32})
    chosen = _live(strategy=Strategy.SNAPSHOT, topology=topology(strategy="auto"), joining=slow)
    text = preview(source(chosen))
    assert _section(text, "Strategy").startswith('snapshot, chosen by strategy = "auto":')
    assert "- disks, which live needs: etcd-3: found 32 small writes" in _section(text, "Strategy")
    assert "stops in fence" in text


def test_the_voters_of_each_step_of_three_and_three() -> None:
    assert [(one.step, one.voters, one.may_fail) for one in steps(source(_live()))] == [
        ("now", 3, 1),
        ("grow: etcd-1 is added as a learner", 3, 1),
        ("grow: etcd-1 votes", 4, 1),
        ("grow: etcd-2 is added as a learner", 4, 1),
        ("grow: etcd-2 votes", 5, 2),
        ("grow: etcd-3 is added as a learner", 5, 2),
        ("grow: etcd-3 votes", 6, 2),
        ("switch: one API server after the other", 6, 2),
        ("shrink: the member of master-1 has left", 5, 2),
        ("shrink: the member of master-2 has left", 4, 1),
        ("shrink: the member of master-3 has left", 3, 1),
        ("settle: while one member restarts", 3, 0),
        ("afterwards", 3, 1),
    ]
    assert "settle: while one member restarts external 3, none may fail" in _section(
        preview(source(_live())), "Quorum"
    )


def test_a_growth_under_way_goes_on_from_where_it_stands() -> None:
    assert [one.step for one in steps(_growing())][:4] == [
        "now",
        "grow: etcd-2 votes",
        "grow: etcd-3 is added as a learner",
        "grow: etcd-3 votes",
    ]
    where = _section(preview(_growing()), "Where it stands")
    assert "etcd-1 votes, etcd-2 learns; 3 of 3 stacked members are left" in where
    assert "the API servers of no master use the external ones" in where
    assert "tasks/rollback.py would take the external members out again, without an outage." in where
    assert not any(DATA in change.path for change in member_files(_growing(), LIVE.members[0]))


def test_a_shrink_under_way_goes_on_and_is_past_its_way_back() -> None:
    assert [one.step for one in steps(_shrinking(1))] == [
        "now",
        "shrink: the member of master-2 has left",
        "shrink: the member of master-3 has left",
        "settle: while one member restarts",
        "afterwards",
    ]
    text = preview(_shrinking(1))
    assert "2 of 3 stacked members are left" in _section(text, "Where it stands")
    assert "no other way than forward" in _section(text, "Where it stands")
    assert _section(text, "Point of no return").startswith("It has been passed: a stacked member has left.")
    assert "departure of the first" in _section(preview(_shrinking(0)), "Point of no return")


def test_the_files_of_a_fresh_live_migration() -> None:
    pem = joining().authorities["master-1"].pem
    fresh = source(_live(), pki=foresee_adopted(LIVE, pem))
    first = {change.path: change.kind.value for change in master_files(fresh, "master-1")}
    assert first["/var/lib/unstack/backup/snapshot-<run>.db"] == "new"
    assert first["/var/lib/unstack/backup/snapshot.json"] == "new"
    assert "/var/lib/unstack/snapshot.json" not in first
    second = {change.path: change.kind.value for change in master_files(fresh, "master-2")}
    assert set(first) - set(second) == {
        "/var/lib/unstack/backup/snapshot-<run>.db",
        "/var/lib/unstack/backup/snapshot.json",
        f"{KEPT}/stacked/ClusterConfiguration.yaml",
    }
    assert second["/etc/kubernetes/manifests/etcd.yaml"] == "removed"
    host = {change.path: change.kind.value for change in member_files(fresh, LIVE.members[0])}
    assert {path for path in host if path.startswith(DATA)} == {f"{DATA}/restored.json", f"{DATA}/data/"}
    assert "The stacked etcd's own CA will be adopted" in preview(fresh)


def test_a_member_gets_its_ordinary_compose_file_in_the_end() -> None:
    path = "/etc/etcd/docker-compose.yaml"
    (change,) = member_files(_shrinking(1), LIVE.members[0])
    assert (change.path, change.kind.value) == (path, "changed")
    template = (TEMPLATES / "docker-compose.yaml.j2").read_text()
    settled = _shrinking(1)
    last = {path: sha256_of(render_compose(LIVE, LIVE.members[0], template))}
    files = {**settled.files, "etcd-1": replace(settled.files["etcd-1"], sums=last)}
    assert member_files(replace(settled, files=files), LIVE.members[0]) == []


def test_each_process_that_starts_anew_or_leaves() -> None:
    text = preview(source(_live()))
    assert "kube-apiserver (pid 10) starts anew in switch on the external members" in _section(
        text, "master-1"
    )
    assert "kube-scheduler" not in _section(text, "master-1")
    assert "etcd (not running) leaves the cluster and stops in shrink, for good" in _section(text, "master-1")
    assert "container etcd (none) is created in prepare, joins the cluster in grow" in _section(
        text, "etcd-1"
    )
    assert "a member already, starts anew in settle" in _section(preview(_growing()), "etcd-1")
