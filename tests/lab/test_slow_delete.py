"""Pods after a migration by hand and after this tool's: the short form, and the whole experiment."""

from __future__ import annotations

import subprocess
import sys

import pytest

from experiments.slow_delete import reading, results
from experiments.slow_delete.bench import Bench, Measure
from experiments.slow_delete.report import Spread
from experiments.slow_delete.results import Moment, Situation
from experiments.slow_delete.situations import NAMES, rewind
from experiments.slow_delete.stale_endpoint import DIAL_SECONDS
from lab import Lab, Node
from lab.paths import REPOSITORY, STATE

# A healthy cluster of this lab takes less than half of it, for either.
SLOW_SECONDS = 30
SHORT = Measure(rounds=1, give_up_seconds=SLOW_SECONDS, writes=500)
WHOLE_SECONDS = 3600


def test_a_pod_comes_and_goes_in_time_after_this_tools_migration(migrated_lab: Lab) -> None:
    bench = Bench.prepared(migrated_lab, "short-after", SHORT, place(migrated_lab))
    found = bench.moment("after the migration")
    assert [pod for pod in found.pods if pod.gone_seconds is None] == []
    assert_lists_agree(found)


def test_revisions_that_go_back_blind_a_kubelet_and_nothing_else_shows_it(lab: Lab) -> None:
    lab.reset()
    bench = Bench.prepared(lab, "short-h1", SHORT, place(lab))
    went_back = rewind(bench)
    found = bench.moment("after the switch", went_back.standing, rounds=0)
    assert reading.revision(lab, is_external=True) < went_back.live_revision
    assert [pod.gone_seconds for pod in found.pods] == [None]
    assert len(found.api_servers) == len(lab.masters)
    assert_lists_agree(found)


@pytest.mark.long
def test_each_cause_has_its_own_signs_and_this_tools_migration_has_none(lab: Lab) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.slow_delete"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=WHOLE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one.name: one for one in results.load(STATE / "slow-delete.json").situations}
    assert set(found) >= set(NAMES)
    for name in ("before", "after"):
        assert (given_up(found[name]), stores(found[name])) == (0, 1), done.stdout
    # A process that is deaf to SIGTERM takes its grace period on a healthy cluster too.
    assert all(pod.gone_seconds and pod.gone_seconds >= 30 for pod in found["deaf"].moments[0].pods)
    assert given_up(found["h1"]) > 0
    assert stores(found["h2"]) == 2
    right, stale, _ = found["h3"].moments
    assert longest(right) < DIAL_SECONDS <= longest(stale)


def place(lab: Lab) -> list[tuple[Node, Node]]:
    return [(lab.masters[0], lab.masters[-1])]


def assert_lists_agree(moment: Moment) -> None:
    for server in moment.api_servers:
        low, high = server.etcd_revision
        assert low <= server.list_revision <= high, server


def given_up(situation: Situation) -> int:
    return sum(pod.gone_seconds is None for moment in situation.moments for pod in moment.pods)


def stores(situation: Situation) -> int:
    return len({server.etcd_servers for server in situation.moments[0].api_servers})


def longest(moment: Moment) -> float:
    return Spread.of([pod.gone_seconds for pod in moment.pods]).longest or 0.0
