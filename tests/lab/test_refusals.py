"""Bad input is refused before anything is changed: one clear line each, all in one pass, status 1."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lab import Lab, Node
from tests.commands import REPOSITORY, Outcome, pyinfra, state_of

# Half a second more than the whole number that is looked for: what is found has the answers' way in it.
FAST_CLOCK = '#!/bin/sh\nexec /bin/date.real -d "+5.5 seconds" "$@"\n'


def _refused(outcome: Outcome, *lines: str) -> None:
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text, outcome.text
    assert "Nothing was changed" in outcome.text
    for line in lines:
        host, _, found = line.partition(": ")
        matching = [text for text in outcome.log.splitlines() if f"{host}: found {found}" in text]
        assert len(matching) == 1, (line, outcome.text)
        assert "; expected " in matching[0]
        assert "; to do: " in matching[0]


@contextmanager
def _inventory(
    tmp_path: Path, masters: list[Mapping[str, str]], etcd: list[Mapping[str, str]]
) -> Iterator[str]:
    """An inventory file of the lab's hosts with other names and addresses."""
    facts = json.loads((REPOSITORY / ".lab/lab.json").read_text())
    ssh = {
        "ssh_user": facts["ssh_user"],
        "ssh_key": facts["ssh_key"],
        "ssh_known_hosts_file": ".lab/known_hosts",
        "cluster": "lab",
        "etcd_image": facts["etcd_image"],
    }

    def hosts(group: list[Mapping[str, str]]) -> list[tuple[str, dict[str, str]]]:
        return [(one["name"], {**ssh, "ssh_hostname": one["ip"], "address": one["address"]}) for one in group]

    path = tmp_path / "other.py"
    path.write_text(f"masters = {hosts(masters)!r}\netcd = {hosts(etcd)!r}\n")
    yield str(path)


def _entry(node: Node, **changes: str) -> dict[str, str]:
    return {"name": node.name, "ip": node.ip, "address": node.ip} | changes


def test_refuses_an_unsound_topology_with_all_its_problems_at_once(fresh_lab: Lab, tmp_path: Path) -> None:
    lab = fresh_lab
    masters = [_entry(node) for node in lab.masters]
    etcd = [
        _entry(lab.etcd[0], address="etcd-1.example"),
        _entry(lab.etcd[1], address=lab.masters[0].ip),
    ]
    with _inventory(tmp_path, masters, etcd) as path:
        outcome = pyinfra("-y", "--data", "etcd_imag=etcd:v3.5.30", path, "deploy.py")
    _refused(
        outcome,
        "inventory: 2 hosts in etcd",
        "etcd-1: address 'etcd-1.example'",
        f"etcd-2: address {lab.masters[0].ip}, which master-1 has too",
        "group_data: the unknown key etcd_imag",
    )


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("unstack-lab/etcd:v3.5.1", "(etcd 3.5.1)"),
        ("unstack-lab/etcd:v3.4.30", "(etcd 3.4.30)"),
        ("unstack-lab/etcd:v3.6.4", "(etcd 3.6.4)"),
    ],
)
def test_refuses_an_image_that_must_not_hold_the_data(fresh_lab: Lab, image: str, found: str) -> None:
    outcome = pyinfra("-y", "--data", f"etcd_image={image}", "inventories/lab.py", "deploy.py")
    assert outcome.status == 1, outcome.text
    assert f"group_data: found etcd_image {image} {found}" in outcome.text
    assert "Nothing was changed" in outcome.text


def _sh(lab: Lab, node: Node, command: str) -> None:
    status, output = lab.exec(node, command)
    assert status == 0, output


@contextmanager
def _broken(lab: Lab, node: Node, break_it: str, mend_it: str) -> Iterator[None]:
    _sh(lab, node, break_it)
    try:
        yield
    finally:
        _sh(lab, node, mend_it)


def test_refuses_every_unfit_host_in_one_pass_and_changes_nothing(fresh_lab: Lab) -> None:
    lab = fresh_lab
    etcd_1, etcd_2, etcd_3 = lab.etcd
    _, master_2, master_3 = lab.masters
    plugin = "/usr/libexec/docker/cli-plugins/docker-compose"
    with ExitStack() as broken:
        before = state_of(lab)
        for node, break_it, mend_it in (
            (etcd_1, "systemctl stop docker.socket docker", "systemctl start docker"),
            (etcd_2, f"mv {plugin} /root/", f"mv /root/docker-compose {plugin}"),
            (
                etcd_2,
                "mkdir -p /var/lib/etcd-external/data/member && touch /var/lib/etcd-external/data/member/x",
                "rm -r /var/lib/etcd-external",
            ),
            (
                etcd_3,
                "systemd-run --quiet --unit=squatter socat TCP-LISTEN:2380,fork,reuseaddr STDOUT",
                "systemctl stop squatter",
            ),
            (
                master_3,
                f"mv /bin/date /bin/date.real && printf %s {shlex.quote(FAST_CLOCK)} > /bin/date"
                " && chmod +x /bin/date",
                "mv /bin/date.real /bin/date",
            ),
            (master_2, "mv /etc/sudoers.d /root/", "mv /root/sudoers.d /etc/"),
        ):
            broken.enter_context(_broken(lab, node, break_it, mend_it))
        outcome = pyinfra("-y", "--data", "disk_factor=1000000", "inventories/lab.py", "deploy.py")
    _refused(
        outcome,
        "etcd-1: no container engine",
        "etcd-2: no docker compose or docker-compose",
        "etcd-2: a data directory that is not empty",
        "etcd-3: port 2380 in use",
        "master-2: commands do not run as root",
        "master-3: a clock 5",
    )
    assert outcome.log.count("MiB free for /var/lib/etcd-external") == 3
    after = state_of(lab)
    assert {name: state for name, state in after.items() if name != "etcd-1"} == {
        name: state for name, state in before.items() if name != "etcd-1"
    }


def test_refuses_an_unreachable_host_an_unhealthy_member_and_a_missing_manifest(fresh_lab: Lab) -> None:
    lab = fresh_lab
    lab.stop(lab.etcd[2])
    moved = "mv /etc/kubernetes/manifests/kube-scheduler.yaml /root/"
    back = "mv /root/kube-scheduler.yaml /etc/kubernetes/manifests/"
    # A stopped process keeps its port: the member neither answers nor refuses.
    with (
        _broken(lab, lab.masters[1], moved, back),
        _broken(lab, lab.masters[2], "pkill -STOP -x etcd", "pkill -CONT -x etcd"),
    ):
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
    lab.start(lab.etcd[2])
    _refused(
        outcome,
        "etcd-3: no connection",
        "master-2: no kube-scheduler.yaml in /etc/kubernetes/manifests",
        "master-3: a stacked etcd member that does not answer",
    )


def test_refuses_a_kubeadm_config_that_can_not_be_merged(fresh_lab: Lab) -> None:
    lab = fresh_lab
    where = ("-n", "kube-system")
    field = "jsonpath={.data.ClusterConfiguration}"
    old = lab.kubectl(*where, "get", "configmap", "kubeadm-config", "-o", field)
    external = "  external:\n    endpoints:\n    - https://192.0.2.31:2379\n"
    local = old[old.index("  local:\n") : old.index("imageRepository:")]
    before = state_of(lab)

    def refused_with(found: str) -> None:
        _refused(pyinfra("-y", "inventories/lab.py", "deploy.py"), f"cluster: {found}")

    def put(text: str) -> None:
        patch = json.dumps({"data": {"ClusterConfiguration": text}})
        lab.kubectl(*where, "patch", "configmap", "kubeadm-config", "--patch", patch)

    put(old.replace("kubeadm.k8s.io/v1beta2", "kubeadm.k8s.io/v1beta9"))
    refused_with("kubeadm-config has apiVersion kubeadm.k8s.io/v1beta9, known are")
    put(old.replace(local, external))
    refused_with("kubeadm-config names another external etcd already: ['https://192.0.2.31:2379']")
    lab.kubectl(*where, "delete", "configmap", "kubeadm-config")
    refused_with("no ClusterConfiguration in the ConfigMap kubeadm-config of kube-system")
    assert state_of(lab) == before
    lab.kubectl(*where, "create", "configmap", "kubeadm-config", f"--from-literal=ClusterConfiguration={old}")
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/preflight.py")
    assert outcome.status == 0, outcome.text
