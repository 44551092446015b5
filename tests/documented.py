"""Which test runs a command of the documents.

README.md's own-cluster steps and docs/runbook.md are followed by tests/lab/test_runbook.py, docs/day2.md by
tests/lab/test_day2.py. Here is what they leave out: what another test runs, and what none can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DAY2 = "tests/lab/test_day2.py"
RUNBOOK = "tests/lab/test_runbook.py"
FOLLOWED: Mapping[str, str] = {
    "README.md": RUNBOOK,
    "docs/runbook.md": RUNBOOK,
    "docs/day2.md": DAY2,
}


@dataclass(frozen=True)
class RunBy:
    """A test that runs the command."""

    test: str  # its file
    words: str  # how the command stands in it


@dataclass(frozen=True)
class NotRun:
    """A command that no test runs."""

    reason: str


NAMED = NotRun("named, not told to be typed: what a message says, or a program in general")

DECOMMISSION = "pyinfra inventories/prod.py tasks/decommission.py"
DECOMMISSIONING = "tests/lab/test_decommission.py"
SLOW_DELETE = "tests/lab/test_slow_delete.py"
UPGRADES = "tests/lab/test_upgrades.py"

ELSEWHERE: Mapping[str, RunBy | NotRun] = {
    "make demo": RunBy("tests/lab/test_demo.py", '_make("demo", 900)'),
    "make faults": RunBy("tests/lab/test_demo.py", '_make("faults", 9000)'),
    "make experiment-slow-delete": RunBy(SLOW_DELETE, "situations.run(lab, plan, measure, places)"),
    "python -m experiments.slow_delete --only h2": RunBy(SLOW_DELETE, '_built(lab, "h2"'),
    **dict.fromkeys(("python -m demo", "python -m faults", "python -m lab"), NAMED),
    DECOMMISSION: RunBy(DECOMMISSIONING, '"tasks/decommission.py"'),
    f"{DECOMMISSION} --data decommission=archive": RunBy(DECOMMISSIONING, '"decommission=archive"'),
    f"{DECOMMISSION} --data decommission=remove": RunBy(RUNBOOK, "--data decommission=remove"),
    "pyinfra inventories/prod.py tasks/probe.py": RunBy("tests/lab/test_pod_probe.py", '"tasks/probe.py"'),
    "pyinfra inventories/prod.py tasks/renew_ca.py": RunBy(
        "tests/lab/test_ca_rotation.py", '"tasks/renew_ca.py"'
    ),
    "pyinfra inventories/prod.py tasks/restore_backup.py --data backup=FILE": RunBy(
        "tests/lab/test_restore_backup.py", "restore(*backup_option(path))"
    ),
    "make test": NotRun("it is what runs these tests; .ci/run calls it"),
    "kubectl get nodes -o json": RunBy("tests/lab/test_inventories.py", '"get", "nodes", "-o", "json"'),
    "pyinfra inventories/prod.py tasks/confirm.py": RunBy(UPGRADES, '"tasks/confirm.py"'),
    "kubeadm upgrade plan": RunBy(UPGRADES, "kubeadm upgrade plan {newer}"),
    "kubeadm upgrade apply": RunBy(UPGRADES, "kubeadm upgrade apply {lab.kubernetes_version}"),
    "kubeadm reset": RunBy(UPGRADES, "kubeadm reset --force"),
    # Both are a part of the lab's join_master.
    "kubeadm init phase upload-certs --upload-certs --config now.yaml": RunBy(UPGRADES, "join_master(lab, "),
    "kubeadm token create --print-join-command": RunBy(UPGRADES, "join_master(lab, "),
    "kubectl -n kube-system edit configmap kubeadm-config": NotRun(
        "it opens an editor, for a change of address that is described in outline only"
    ),
    "etcdutl snapshot status": RunBy(DAY2, 'etcdutl("snapshot", "status"'),
    "etcdutl snapshot restore": RunBy(DAY2, 'etcdutl("snapshot", "restore"'),
    "kubeadm init phase upload-certs": NAMED,
    "docker pull": NAMED,
    "docker compose refuses /etc/etcd/docker-compose.yaml": NAMED,
    "etcdctl snapshot save": NAMED,
    "etcdutl snapshot restore --bump-revision ... --mark-compacted": NAMED,
    "cp -p": NAMED,
    "kubeadm upgrade plan ... fails": NAMED,
}
