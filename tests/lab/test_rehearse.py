"""A rehearsal under live writes: the control plane goes on, nothing is left, and its expectation holds."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest

from demo.gaps import Gap
from demo.hosts import on_all
from demo.writers import LOAD_BALANCER
from faults.runs import JOURNAL, Run
from lab import Lab, health
from tests.commands import REPOSITORY, Outcome, pyinfra
from tests.writing import lost, writing

EXPECTATION = REPOSITORY / ".unstack/lab/rehearsal.json"
# Of the outage that was expected.
TOLERANCE = 0.25
SNAPSHOT = "Take a snapshot of the cluster, which goes on"
RESTORE = "Restore the member from the snapshot"
START = "Start the members"
CONTROL_PLANE = "kube-apiserver|kube-controller|kube-scheduler|etcd"


@dataclass(frozen=True)
class Rehearsed:
    """A lab after a rehearsal under live writes, and what was seen on the way."""

    lab: Lab
    outcome: Outcome
    before: Mapping[str, str]
    after: Mapping[str, str]
    etcd_hosts: Mapping[str, str]
    gap: Gap
    compacted: int


def _await_start(operation: str, position: int, alive: Callable[[], bool]) -> None:
    """Wait until the journal, from `position` on, tells that this operation has started."""
    started = f'"event": "start", "operation": "{operation}"'.encode()
    while not JOURNAL.exists() or started not in JOURNAL.read_bytes()[position:]:
        assert alive(), f"ended before: {operation}"
        time.sleep(0.005)


def _compact_after_the_snapshot(lab: Lab, position: int, over: threading.Event) -> int:
    """Compact the stacked etcd as API servers do every five minutes, just after the snapshot was taken."""
    _await_start(SNAPSHOT, position, lambda: not over.is_set())
    status = json.loads(lab.etcdctl("endpoint", "status", "-w", "json"))
    revision = int(status[0]["Status"]["header"]["revision"])
    _await_start("=== snapshot ===", position, lambda: not over.is_set())
    lab.etcdctl("compact", str(revision))
    return revision


def _masters(lab: Lab) -> dict[str, str]:
    """{master: checksums of all of /etc/kubernetes, and which processes run there}, by its own tools."""
    command = (
        "find /etc/kubernetes -exec stat -c '%n %a %U %Y' {} + | sort;"
        " find /etc/kubernetes -type f -exec sha256sum {} + | sort;"
        f" pgrep -x -l '{CONTROL_PLANE}' | sort;"
        " ls -A /var/lib/unstack 2>/dev/null; true"
    )
    found = {}
    for node in lab.masters:
        status, output = lab.exec(node, command)
        assert status == 0, output
        found[node.name] = output
    return found


def _etcd_hosts(lab: Lab) -> dict[str, str]:
    """{etcd host: what lies in the data directory, containers, etcd processes}, by its own tools."""
    command = (
        "ls -A /var/lib/etcd-external; docker ps --all --format '{{.Names}} {{.State}}'; pgrep -x etcd; true"
    )
    return {node.name: lab.exec(node, command)[1].strip() for node in lab.etcd}


def _restart_api_servers(lab: Lab) -> None:
    """As an upgrade does: a lab that was just made has no start but that of its whole hosts."""
    # Not together with their etcd, which a reset has just started.
    time.sleep(20)
    on_all(lab, lab.masters, "docker stop -t 20 $(docker ps --quiet --filter name=k8s_kube-apiserver)")
    # Controller-manager and scheduler may have been restarted with it.
    health.wait(lab, 120.0, datetime.now(timezone.utc))


@pytest.fixture(scope="module")
def rehearsed(fresh_lab: Lab) -> Rehearsed:
    lab = fresh_lab
    EXPECTATION.unlink(missing_ok=True)
    _restart_api_servers(lab)
    before = _masters(lab)
    position = JOURNAL.stat().st_size if JOURNAL.exists() else 0
    over = threading.Event()
    with writing(lab, "unstack-rehearse") as writers, ThreadPoolExecutor(1) as beside:
        compaction = beside.submit(_compact_after_the_snapshot, lab, position, over)
        try:
            outcome = pyinfra("-y", "inventories/lab.py", "tasks/rehearse.py")
        finally:
            over.set()
        assert outcome.status == 0, outcome.text
    gap = writers.records[LOAD_BALANCER].longest_gap()
    return Rehearsed(lab, outcome, before, _masters(lab), _etcd_hosts(lab), gap, compaction.result())


def test_leaves_the_masters_and_their_processes_as_they_were(rehearsed: Rehearsed) -> None:
    assert rehearsed.after == rehearsed.before
    # kubelets were not even busy enough to notice.
    assert rehearsed.gap.seconds < 5, rehearsed.gap


def test_leaves_the_etcd_hosts_ready_and_empty(rehearsed: Rehearsed) -> None:
    assert rehearsed.etcd_hosts == {node.name: "" for node in rehearsed.lab.etcd}
    for node in rehearsed.lab.etcd:
        status, output = rehearsed.lab.exec(
            node, "cd /etc/etcd && ls docker-compose.yaml pki/server.key && docker image ls --quiet"
        )
        assert status == 0, output
        assert len(output.split()) >= 3, output


def test_tells_how_long_the_api_servers_took_to_start(rehearsed: Rehearsed) -> None:
    """The shortest of them, and not the lab's constant: these API servers were restarted."""
    told = re.findall(r"(master-\d) (\d+\.\d) s", rehearsed.outcome.text.partition("own last starts")[2])
    assert {name for name, _ in told} == {node.name for node in rehearsed.lab.masters}, rehearsed.outcome.text
    print(f"\n{told}")


def test_proves_every_member_and_tries_every_master(rehearsed: Rehearsed) -> None:
    text = rehearsed.outcome.text
    for node in rehearsed.lab.masters:
        assert f"{node.name}: kube-apiserver knows the new flags" in text
        assert f"{node.name}: kubeadm v" in text
    reports = sorted((REPOSITORY / ".unstack/lab/reports").iterdir())
    report = json.loads((reports[-1] / "report.json").read_text())
    assert report["ending"]["result"] == "rehearsed"
    assert report["proof"]["equal"]
    assert len(report["proof"]["members"]) == 6
    assert report["outages"] == []
    # The snapshot was older than the compaction, and the stacked members were read after it.
    assert {one["compact_revision"] for one in report["proof"]["members"]} == {rehearsed.compacted}


def test_an_interrupted_rehearsal_leaves_nothing(rehearsed: Rehearsed, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _end_in(log, START, signal.SIGINT, lambda: time.sleep(0.3)) == 1, log.read_text()
    assert "all that the rehearsal had put on the hosts is removed" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert _etcd_hosts(rehearsed.lab) == rehearsed.etcd_hosts
    assert _masters(rehearsed.lab) == rehearsed.after


def test_the_real_outage_is_the_expected_one_and_nothing_is_lost(rehearsed: Rehearsed) -> None:
    lab = rehearsed.lab
    expected = json.loads(EXPECTATION.read_text())
    assert expected["db_bytes"] > 2**20
    assert set(expected["parts"]) == {"fence", "snapshot", "copy", "restore", "start", "prove", "cutover"}
    assert sum(expected["parts"].values()) == pytest.approx(expected["outage_s"], abs=0.1)
    with writing(lab, "unstack-rehearsed") as writers:
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
    assert lost(lab, writers) == []
    gap = writers.records[LOAD_BALANCER].longest_gap()
    real = gap.seconds
    runs = sorted((REPOSITORY / ".unstack/lab/runs").iterdir())
    parts = json.loads((runs[-1] / "outcome.json").read_text())["parts"]
    print(f"\nexpected {expected['outage_s']} s: {expected['parts']}")
    print(f"real {real:.1f} s ({gap}): {parts}")
    assert abs(real - expected["outage_s"]) <= TOLERANCE * expected["outage_s"]


def test_a_migrated_cluster_is_not_rehearsed(rehearsed: Rehearsed) -> None:
    before = _etcd_hosts(rehearsed.lab)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/rehearse.py")
    assert outcome.status == 1, outcome.text
    assert "found an API server on the external etcd; expected a cluster that is not migrated" in outcome.text
    assert "Traceback" not in outcome.text
    assert _etcd_hosts(rehearsed.lab) == before


def _end_in(log: Path, operation: str, by: signal.Signals, moment: Callable[[], object]) -> int:
    """Begin a rehearsal and send its controller a signal at a moment after this operation has started.

    Returns its exit status.
    """
    position = JOURNAL.stat().st_size
    run = Run(log, "tasks/rehearse.py")
    try:
        _await_start(operation, position, lambda: run.process.poll() is None)
        moment()
        assert run.process.poll() is None, log.read_text()
        run.process.send_signal(by)
        return run.process.wait(60)
    finally:
        run.end()


def _await_members(lab: Lab) -> None:
    """Wait until every external member's process runs, by its host's own tools."""
    deadline = time.monotonic() + 30
    while not all("etcd running" in text for text in _etcd_hosts(lab).values()):
        assert time.monotonic() < deadline, _etcd_hosts(lab)


def test_what_a_killed_rehearsal_leaves_is_cleared_by_the_next_one_and_by_the_migration(
    lab: Lab, tmp_path: Path
) -> None:
    lab.reset()
    with writing(lab, "unstack-killed") as writers:
        _end_in(tmp_path / "start.log", START, signal.SIGKILL, lambda: _await_members(lab))
        left = _etcd_hosts(lab)
        assert all("etcd running" in text and "restored.json" in text for text in left.values()), left
        # It begins by clearing that away, and leaves a member half restored itself.
        _end_in(tmp_path / "restore.log", RESTORE, signal.SIGKILL, lambda: time.sleep(0.08))
        left = _etcd_hosts(lab)
        assert all("running" not in text and "-rehearsal" in text for text in left.values()), left
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
    assert len(writers.acknowledged()) > 100
    assert lost(lab, writers) == []
    for node in lab.etcd:
        status, output = lab.exec(node, "cd /var/lib/etcd-external && ls -A && cat restored.json")
        assert status == 0, output
        assert "rehearsal" not in output
        assert "previous-" not in output
    for node in lab.masters:
        assert lab.exec(node, "test -e /var/lib/unstack/rehearsal")[0] == 1, node.name
