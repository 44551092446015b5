"""The stacked etcd's remains go once nobody needs them: not before, not more, and not half."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab import Lab, Node
from tests.commands import REPOSITORY, pyinfra, state_of
from tests.under_way import run_until

TASK = ("inventories/lab.py", "tasks/decommission.py")
ARCHIVE = ("--data", "decommission=archive", "--data", "decommission_after=0s")
PKI = "/etc/kubernetes/pki"
GONE = ("etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client")
STALE = "192.0.2.99"
# A mirror pod whose kubelet is gone: nobody else removes it at once.
MIRROR_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "etcd-gone",
        "namespace": "kube-system",
        "labels": {"component": "etcd", "tier": "control-plane"},
        "annotations": {"kubernetes.io/config.mirror": "0" * 32},
    },
    "spec": {"nodeName": "gone", "hostNetwork": True, "containers": [{"name": "etcd", "image": "etcd"}]},
}


@pytest.fixture(scope="module", autouse=True)
def _whole_lab_afterwards(lab: Lab) -> Iterator[None]:
    """No other test finds a cluster that can't be rolled back."""
    yield
    lab.reset()


def _output(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, command, output)
    return output


def _state(lab: Lab) -> dict[str, str]:
    """With the stacked data, which is at rest."""
    listing = "find /var/lib/etcd -type f -exec sha256sum {} + | sort; ls -A /var/lib/etcd"
    data = {f"{node.name}'s data": _output(lab, node, listing) for node in lab.masters}
    return state_of(lab) | data


def _masterleases(lab: Lab) -> set[str]:
    command = "docker exec etcd etcdctl get /registry/masterleases/ --prefix --keys-only"
    return {line.rpartition("/")[2] for line in _output(lab, lab.etcd[0], command).split()}


def test_everything_in_the_way_is_told_in_one_pass_and_nothing_is_changed(moved_lab: Lab) -> None:
    lab = moved_lab
    _, master, _ = lab.masters
    silent = lab.etcd[2]
    _output(lab, master, "echo somebodys >/var/lib/etcd/somebodys")
    _output(lab, silent, "docker stop etcd")
    try:
        before = _state(lab)
        outcome = pyinfra("-y", "--data", "decommission=archive", *TASK)
        assert _state(lab) == before
    finally:
        _output(lab, master, "rm /var/lib/etcd/somebodys")
        _output(lab, silent, "docker start etcd")
        _output(lab, silent, "until docker exec etcd etcdctl endpoint health; do sleep 0.5; done")
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    assert "Nothing was changed" in outcome.text
    wanted = [f"{node.name}: found a confirmation of " for node in lab.masters]
    wanted += [
        f"{master.name}: found /var/lib/etcd/somebodys, which is not",
        f"{silent.name}: found an external etcd member that does not answer",
    ]
    for line in wanted:
        (told,) = [text for text in outcome.log.splitlines() if line in text]
        assert "; expected " in told
        assert "; to do: " in told


def test_without_being_asked_it_only_shows_what_it_would_do(moved_lab: Lab) -> None:
    before = _state(moved_lab)
    outcome = pyinfra("-y", "--data", "decommission_after=0s", *TASK)
    assert outcome.status == 0, outcome.text
    assert "nothing is changed: " in outcome.text
    for node in moved_lab.masters:
        assert f"{node.name}: /var/lib/etcd: " in outcome.text
        assert f"{node.name}: archived before, with the CA: /var/lib/unstack/stacked-etcd-" in outcome.text
    assert "stale masterleases to be removed: none" in outcome.text
    outcome = pyinfra("--dry", "--json", *ARCHIVE, *TASK)
    assert outcome.status == 0, outcome.text
    plan = {step["name"]: set(step["hosts_with_change"]) for step in json.loads(outcome.stdout)["plan"]}
    masters = {node.name for node in moved_lab.masters}
    assert {name: hosts for name, hosts in plan.items() if hosts} == {
        "Archive the stacked etcd's data and certificates": masters,
        "Remove the stacked etcd's data and certificates": masters,
        "Write and read through every API server": masters,
        "Note that the stacked etcd is gone": masters,
    }
    assert _state(moved_lab) == before


def test_a_killed_decommission_is_finished_and_the_archive_holds_the_same_bytes(moved_lab: Lab) -> None:
    lab = moved_lab
    before = {
        node.name: _output(lab, node, f"sha256sum /var/lib/etcd/member/snap/db {PKI}/etcd/server.key")
        for node in lab.masters
    }
    run_until("Remove the stacked etcd's data and certificates", "-y", *ARCHIVE, *TASK).kill()

    # What other clusters' lives have left behind.
    _output(
        lab,
        lab.etcd[0],
        f"docker exec etcd etcdctl get /registry/masterleases/{lab.masters[0].ip} -w json |"
        """ sed 's/.*"value":"\\([^"]*\\)".*/\\1/' | base64 -d |"""
        f" docker exec -i etcd etcdctl put /registry/masterleases/{STALE}",
    )
    lab.kubectl("create", "--validate=false", "-f", _written(MIRROR_POD))
    outcome = pyinfra("-y", *ARCHIVE, *TASK)
    assert outcome.status == 0, outcome.text
    assert "mirror pods of the stacked etcd to be removed: etcd-gone" in outcome.text
    assert f"stale masterleases to be removed: {STALE}" in outcome.text

    for node in lab.masters:
        assert _output(lab, node, "ls -A /var/lib/etcd") == ""
        for name in GONE:
            _output(lab, node, f"[ ! -e {PKI}/{name}.crt ] && [ ! -e {PKI}/{name}.key ]")
        _output(lab, node, f"ls {PKI}/etcd/ca.crt {PKI}/etcd/ca.key")
        _output(lab, node, "cd /var/lib/unstack && sha256sum --check stacked-etcd-*.tar.gz.sha256")
        mode = _output(lab, node, "stat -c '%a %U' /var/lib/unstack/stacked-etcd-*.tar.gz")
        assert mode.split() == ["600", "root"]
        unpacked = _output(
            lab,
            node,
            "mkdir /root/unpacked && cd /root/unpacked && tar -xzf /var/lib/unstack/stacked-etcd-*.tar.gz &&"
            " sha256sum var/lib/etcd/member/snap/db etc/kubernetes/pki/etcd/server.key",
        )
        assert unpacked.replace("  ", "  /") == before[node.name]
        mark = json.loads(_output(lab, node, "cat /etc/kubernetes/unstack/decommissioned"))
        assert set(mark) == {"run", "at"}
    lines = (REPOSITORY / ".unstack/lab/journal.jsonl").read_text().splitlines()
    recorded = [one for line in lines if (one := json.loads(line))["event"] == "archive"]
    assert {one["host"] for one in recorded} == {node.name for node in lab.masters}


def _written(manifest: object) -> str:
    path = REPOSITORY / ".lab/mirror-pod.json"
    path.write_text(json.dumps(manifest))
    return str(path)


def test_afterwards_only_the_masters_have_masterleases_and_each_api_server_writes(moved_lab: Lab) -> None:
    lab = moved_lab
    assert _masterleases(lab) == {node.ip for node in lab.masters}
    pods = lab.kubectl("-n", "kube-system", "get", "pods", "-l", "component=etcd", "-o", "name")
    assert pods == ""
    for node in lab.masters:
        server = f"--server=https://{node.ip}:6443"
        lab.kubectl(server, "create", "configmap", f"by-{node.name}", f"--from-literal=by={node.name}")
        found = lab.kubectl(server, "get", "configmap", f"by-{node.name}", "-o", "jsonpath={.data.by}")
        assert found == node.name


def test_afterwards_a_rollback_is_refused_and_nothing_is_left_to_do(moved_lab: Lab) -> None:
    lab = moved_lab
    before = _state(lab)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    for node in lab.masters:
        assert f"{node.name}: found no stacked etcd: decommissioned since " in outcome.log
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/status.py")
    assert outcome.status == 0, outcome.text
    for node in lab.masters:
        (line,) = [one for one in outcome.log.splitlines() if f"{node.name}: API server on " in one]
        assert "(no stacked etcd: decommissioned since " in line
    outcome = pyinfra("-y", *ARCHIVE, *TASK)
    assert outcome.status == 0, outcome.text
    assert outcome.text.count("Nothing to do.") == len(lab.masters)
    assert _state(lab) == before


def test_afterwards_kubeadm_works(moved_lab: Lab) -> None:
    lab = moved_lab
    for node in lab.masters:
        listing = _output(lab, node, "kubeadm certs check-expiration")
        assert "apiserver-kubelet-client" in listing
        assert "etcd" not in listing
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/confirm.py")
    assert outcome.status == 0, outcome.text
    assert "kubeadm upgrade plan" in outcome.text
    assert "works with the external etcd" in outcome.text
