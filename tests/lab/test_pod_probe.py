"""The pod probe around a real migration, and on a cluster with a kubelet that is not there."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Lab
from tests.commands import REPOSITORY, Outcome, pyinfra

PROBED = ("-y", "--data", "pod_probe=True", "inventories/lab.py")
# The slowest medians that are no warning.
RATIO, SECONDS = 1.2, 1.0


@pytest.fixture(scope="module")
def outcome(fresh_lab: Lab) -> Outcome:
    """A migration with the probe before its fence and after it."""
    return pyinfra(*PROBED, "deploy.py")


@pytest.fixture(scope="module")
def journal(outcome: Outcome) -> list[dict[str, Any]]:
    """What the migration's run has written into the journal."""
    assert outcome.status == 0, outcome.text
    lines = [json.loads(one) for one in (REPOSITORY / ".unstack/lab/journal.jsonl").read_text().splitlines()]
    return [one for one in lines if one["run"] == lines[-1]["run"]]


def _median(pods: list[dict[str, Any]], name: str) -> float:
    return statistics.median(one[name] for one in pods)


def test_every_node_is_probed_through_every_api_server_and_is_as_quick_as_before(
    fresh_lab: Lab, outcome: Outcome, journal: list[dict[str, Any]]
) -> None:
    # The last round of each kind.
    rounds = {one["when"]: one["pods"] for one in journal if one["event"] == "pods"}
    nodes = fresh_lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    expected = {(server.name, node) for server in fresh_lab.masters for node in nodes}
    assert len(expected) == 9
    for pods in rounds.values():
        assert {(one["api_server"], one["node"]) for one in pods} == expected
    quick = {}
    for name in ("running_seconds", "stopped_seconds", "gone_seconds"):
        before, after = (_median(rounds[when], name) for when in ("before", "after"))
        print(f"{name}: median {before:.1f} s before, {after:.1f} s after, {after / before:.2f} times")
        quick[name] = after <= RATIO * before or after - before <= SECONDS
    assert quick["running_seconds"], outcome.text
    # The lab's kubelets remove a pod's object up to a minute late, however soon its container has ended.
    assert quick["gone_seconds"] or quick["stopped_seconds"], outcome.text
    times = r"create to Running \d+\.\d\d, delete to stopped \d+\.\d\d, delete to gone \d+\.\d\d"
    assert re.search(rf"pods: {times} times as long as before", outcome.log), outcome.text


def test_no_pod_is_timed_while_the_api_is_away(journal: list[dict[str, Any]]) -> None:
    events = [one["event"] for one in journal if one["event"] in ("pods", "api server")]
    away = [number for number, one in enumerate(events) if one == "api server"]
    assert "pods" not in events[away[0] : away[-1]]
    assert events[0] == events[-1] == "pods"


def test_each_api_server_wrote_into_the_external_etcd(fresh_lab: Lab, journal: list[dict[str, Any]]) -> None:
    found = [one for one in journal if one["event"] == "revisions"]
    assert {one["host"] for one in found} == {node.name for node in fresh_lab.masters}
    for one in found:
        low, high = one["etcd"]
        assert low <= one["listed"] <= high
        assert low < one["written"] <= one["cached"] <= high
    status, text = fresh_lab.exec(fresh_lab.etcd[1], "docker exec etcd etcdctl endpoint status -w json")
    assert status == 0, text
    assert json.loads(text)[0]["Status"]["header"]["revision"] >= max(one["etcd"][1] for one in found)


def test_the_report_shows_every_round_and_the_namespace_is_gone(
    fresh_lab: Lab, journal: list[dict[str, Any]]
) -> None:
    directory = REPOSITORY / ".unstack/lab/reports" / journal[0]["run"]
    report = json.loads((directory / "report.json").read_text())
    titles = [one["title"] for one in report["pods"]]
    assert titles[:2] == ["before", "after, round 1"]
    page = (directory / "report.html").read_text()
    assert "Pods that come and go" in page
    assert all(text in page for one in report["pods"] for text in one["times"].values())
    assert "unstack-pod-probe" not in fresh_lab.kubectl("get", "namespaces", "-o", "name")


@pytest.fixture
def silent_node(fresh_lab: Lab, outcome: Outcome) -> Iterator[str]:
    """A node whose kubelet has just stopped, so that nobody has noticed it yet."""
    node = fresh_lab.masters[1]
    status, text = fresh_lab.exec(node, "systemctl stop kubelet")
    assert status == 0, text
    yield node.node_name
    status, text = fresh_lab.exec(node, "systemctl start kubelet")
    assert status == 0, text


def test_a_node_without_a_kubelet_is_named_with_api_server_and_seconds(
    fresh_lab: Lab, silent_node: str
) -> None:
    limit = ("--data", "pod_probe_timeout_seconds=25")
    outcome = pyinfra("-y", *limit, "inventories/lab.py", "tasks/probe.py")
    assert outcome.status == 1, outcome.text
    servers = ", ".join(node.name for node in fresh_lab.masters)
    found = (
        f"node {silent_node}: found a pod that does not run after 25 s, through the API server of {servers}"
    )
    assert found in outcome.log, outcome.text
    others = [line for line in outcome.log.splitlines() if "a pod that does not run" in line]
    assert len(others) == 1, outcome.text
    assert "Traceback" not in outcome.text
    assert "unstack-pod-probe" not in fresh_lab.kubectl("get", "namespaces", "-o", "name")
