"""The way back after the cutover: everything that was acknowledged is there, before and after it."""

from __future__ import annotations

import json
import shlex
import time

import yaml

from demo.api import tls_context
from faults.control_plane import settle
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY, pyinfra, state_of
from tests.under_way import run_until
from tests.writing import lost, writing

MANIFESTS = "/etc/kubernetes/manifests"
WRITING_SECONDS = 60.0


def _text(lab: Lab, node: Node, path: str) -> str:
    status, output = lab.exec(node, ["cat", path])
    assert status == 0, output
    return output


def _kubeadm_config(lab: Lab) -> object:
    text = lab.kubectl("-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "json")
    return yaml.safe_load(json.loads(text)["data"]["ClusterConfiguration"])


def test_rollback_keeps_what_was_written_since_the_cutover(fresh_lab: Lab) -> None:
    lab, context = fresh_lab, tls_context(KUBECONFIG)
    old = {node.name: _text(lab, node, f"{MANIFESTS}/kube-apiserver.yaml") for node in lab.masters}
    configuration = _kubeadm_config(lab)
    with writing(lab, "unstack-rollback") as writers:
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
        before = set(writers.acknowledged())
        time.sleep(WRITING_SECONDS)
        since = set(writers.acknowledged()) - before
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
        assert outcome.status == 0, outcome.text
        assert settle(lab, context, writers, 90).state == "old"
    assert len(since) > 50
    assert lost(lab, writers) == []
    runs = sorted((REPOSITORY / ".unstack/lab/runs").iterdir())
    proof = json.loads((runs[-1] / "outcome.json").read_text())["proof"]
    members = [*proof["old"], *proof["new"]]
    assert len(members) == 6
    assert len({(one["hash"], one["compact_revision"], one["keys"]) for one in members}) == 1

    # By other programs: the same manifests, the members of before, no external one left.
    assert {n.name: _text(lab, n, f"{MANIFESTS}/kube-apiserver.yaml") for n in lab.masters} == old
    assert _kubeadm_config(lab) == configuration
    listing = json.loads(lab.etcdctl("member", "list", "-w", "json"))["members"]
    assert {one["name"]: one["peerURLs"] for one in listing} == {
        node.node_name: [f"https://{node.ip}:2380"] for node in lab.masters
    }
    lab.etcdctl("endpoint", "health")
    for node in lab.etcd:
        status, output = lab.exec(node, "docker ps --all --quiet; ls -A /var/lib/etcd-external")
        assert status == 0, output
        assert all(line.startswith(("previous-", "snapshot-")) for line in output.split()), output


def test_a_second_rollback_has_nothing_to_do(lab: Lab) -> None:
    before = state_of(lab)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
    assert outcome.status == 0, outcome.text
    assert "nothing to roll back" in outcome.text
    assert state_of(lab) == before


def test_a_second_run_at_once_is_refused_with_its_holder_and_the_first_goes_on(lab: Lab) -> None:
    """After the rollback: the migration runs once more, and another one beside it."""
    first = run_until("pki.py | ", "-y", "inventories/lab.py", "deploy.py")
    second = pyinfra("-y", "inventories/lab.py", "tasks/preflight.py")
    status, text = first.finish()
    assert status == 0, text
    assert second.status == 1, second.text
    assert "master-1: found another run: " in second.text
    assert f"process {first.process.pid}, run " in second.text
    assert "last sign of life" in second.text
    assert "Traceback" not in second.text


def test_a_lock_whose_holder_is_silent_is_taken_over(lab: Lab) -> None:
    # A file of its own: systemd would read "$$" as "$".
    holder = (
        "mkdir -p /run/unstack && exec 9>>/run/unstack/lab.lock && flock -n 9 &&"
        " printf '%s\\n%s\\n' $$ 'somebody, long ago' >/run/unstack/lab.lock.holder &&"
        " touch -d '2 minutes ago' /run/unstack/lab.lock.holder && exec sleep 300"
    )
    node = lab.masters[0]
    status, output = lab.exec(
        node, f"printf %s {shlex.quote(holder)} >/root/holder && systemd-run -q --unit=holder sh /root/holder"
    )
    assert status == 0, output
    lab.exec(node, "until [ -s /run/unstack/lab.lock.holder ]; do sleep 0.1; done")
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/preflight.py")
    assert outcome.status == 0, outcome.text
    assert "took over the lock" in outcome.text
    assert "somebody, long ago" in outcome.text
    assert lab.exec(node, "systemctl is-active holder")[0] != 0


def test_clean_removes_what_was_kept_and_a_rollback_stays_possible(lab: Lab) -> None:
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/clean.py")
    assert outcome.status == 0, outcome.text
    for node in lab.masters:
        status, output = lab.exec(
            node,
            "cd /etc/kubernetes/unstack && ls -A . stacked /var/lib/unstack /var/lib/etcd",
        )
        assert status == 0, output
        words = output.split()
        assert "member" in words
        assert {"kube-apiserver.yaml", "etcd.yaml", "etcdutl"} <= set(words)
        assert not [word for word in words if "previous" in word or "snapshot" in word or "rolled" in word]
        assert "fenced" not in words  # empty, but it looks like a fence
    for node in lab.etcd:
        status, output = lab.exec(node, "ls -A /var/lib/etcd-external")
        assert status == 0, output
        assert sorted(output.split()) == ["data", "restored.json"]
    assert pyinfra("-y", "inventories/lab.py", "deploy.py").status == 0
