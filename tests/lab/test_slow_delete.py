"""The experiment of the slow deletes, on the real lab: in short what is built, whole as `long`."""

from __future__ import annotations

import re
from statistics import median

import pytest

from experiments.slow_delete import situations
from experiments.slow_delete.bench import Measure
from experiments.slow_delete.report import agrees
from experiments.slow_delete.results import Moment, Situation
from lab import Lab

_SHORT = Measure(rounds=1, give_up_seconds=20, writes=300)
_LONG = Measure()


def _built(lab: Lab, name: str, measure: Measure, *, is_short: bool) -> Situation:
    """The situation; in short with one pod on each node, through the API server beside it."""
    places = [(node, node) for node in lab.masters] if is_short else None
    (plan,) = situations.named([name])
    return situations.run(lab, plan, measure, places)


def _never_gone(moment: Moment) -> int:
    return sum(pod.was_deleted and pod.gone_seconds is None for pod in moment.pods if pod.kind == "standing")


def test_revisions_that_went_back_keep_every_pod_from_going(lab: Lab) -> None:
    found = _built(lab, "h1", _SHORT, is_short=True)
    moment = found.moments[-1]
    assert all(agrees(server) for server in moment.api_servers), found
    assert _never_gone(moment) == len(lab.masters), found


@pytest.mark.long
def test_revisions_that_went_back_keep_pods_from_going_through_every_api_server(lab: Lab) -> None:
    found = _built(lab, "h1", _LONG, is_short=False)
    assert _never_gone(found.moments[0]) == len(lab.masters) ** 2, found
    assert any("3 of 3 kubelets still run the pod that the store has lost" in line for line in found.seen)


@pytest.mark.long
def test_an_api_server_left_on_the_old_etcd_serves_another_cluster(lab: Lab) -> None:
    found = _built(lab, "h2", _LONG, is_short=False)
    forgotten = lab.masters[-1].name
    through = [pod for pod in found.moments[0].pods if pod.api_server == forgotten]
    assert all(pod.gone_seconds is None for pod in through), found
    assert all(pod.gone_seconds is not None for pod in found.moments[-1].pods), found


@pytest.mark.long
def test_a_dead_api_servers_address_stays_no_longer_than_its_lease_and_slows_no_pod(lab: Lab) -> None:
    found = _built(lab, "h3", _LONG, is_short=False)
    stayed = [
        float(match[1])
        for line in found.seen
        for match in re.finditer(r"address stayed for ([0-9.]+) s", line)
    ]
    # 15 s of lease, and an API server looks every 10 s.
    assert len(stayed) == 2, found.seen
    assert max(stayed) < 30, found.seen
    assert any("that address: given up after 30" in line for line in found.seen), found.seen
    assert all(pod.gone_seconds is not None for moment in found.moments for pod in moment.pods), found


@pytest.mark.long
def test_pods_come_and_go_after_the_migration_as_before(lab: Lab) -> None:
    found = _built(lab, "migrated", _LONG, is_short=False)
    before, after = (
        [pod for pod in moment.pods if pod.kind == "new"] for moment in (found.moments[0], found.moments[-1])
    )
    assert len(after) == len(lab.masters) ** 2, found
    assert all(pod.running_seconds and pod.gone_seconds for pod in after), found
    middle = [median(pod.running_seconds or 0 for pod in pods) for pods in (before, after)]
    print(f"create to Running {middle[0]:.2f} s before, {middle[1]:.2f} s after")
