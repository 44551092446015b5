"""How often pods are timed after a migration, what is a warning then, and what stops the confirmation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import master, topology
from unstack.journal import Journal
from unstack.operations import pod_probe
from unstack.pod_probe import AFTER, BEFORE, PodTime, Round

WELL = (PodTime("master-1", "cp-a", 3.0, 1.0, 9.0), PodTime("master-1", "cp-b", 3.0, 1.0, 9.0))
SLOW = tuple(replace(one, stopped_seconds=30.0, gone_seconds=31.0) for one in WELL)
LOST = (WELL[0], PodTime("master-1", "cp-b", None, None, None, "0/1 Pending"))

Compare = Callable[..., list[str]]


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """`compare(before, *after)`: the events of a confirmation in which these rounds are measured."""

    def run_it(before: Sequence[PodTime] | None, *after: Sequence[PodTime], died: bool = False) -> list[str]:
        journal = Journal(tmp_path, "now")
        journal.record("start", operation="Examine every host")
        if before is not None:
            Journal(tmp_path, "died" if died else "now").record(
                "pods", **Round(BEFORE, tuple(before)).as_json()
            )
        rounds = iter(after)

        class Measured:
            def __init__(self, *arguments: Any) -> None: ...
            def __enter__(self) -> Measured:
                return self

            def __exit__(self, *raised: object) -> None: ...
            def round(self, when: str) -> Round:
                assert when == AFTER
                events.append("round")
                return Round(when, tuple(next(rounds)))

        events: list[str] = []
        monkeypatch.setattr(pod_probe, "_Probe", Measured)
        run: Any = SimpleNamespace(id="now", journal=journal, topology=topology())
        try:
            pod_probe._compare(run, {"master-1": master()})
        except OperationError as error:
            events.append(str(error))
        lines = [json.loads(text) for text in journal.path.read_text().splitlines()]
        return [*events, *(one["found"] for one in lines if one["event"] == "pods slower")]

    return run_it


def test_a_round_that_is_as_quick_as_before_is_the_only_one(compare: Compare) -> None:
    assert compare(WELL, WELL) == ["round"]


def test_slow_once_is_measured_again_and_no_warning(compare: Compare) -> None:
    assert compare(WELL, SLOW, WELL) == ["round", "round"]


def test_slow_three_times_is_a_warning_and_no_failure(compare: Compare) -> None:
    *rounds, warning = compare(WELL, SLOW, SLOW, SLOW)
    assert rounds == ["round"] * 3
    assert (
        warning == "delete to gone takes 31.0 s, 3.44 times what it took before (9.0 s), in each of 3 rounds"
    )


def test_a_pod_that_never_runs_where_one_did_before_stops_the_confirmation(
    compare: Compare, caplog: pytest.LogCaptureFixture
) -> None:
    *rounds, error = compare(WELL, LOST, LOST, LOST)
    assert rounds == ["round"] * 3
    assert "no stacked etcd was stopped" in error
    assert "node cp-b: found a pod that does not run after 90 s, through the API server of master-1" in (
        caplog.text
    )
    assert "cp-a" not in caplog.text


def test_a_pod_that_never_ran_before_either_is_told_and_stops_nothing(
    compare: Compare, caplog: pytest.LogCaptureFixture
) -> None:
    assert compare(LOST, LOST) == ["round"]
    assert "node cp-b: found a pod that does not run" in caplog.text


def test_a_run_that_goes_on_is_compared_with_the_round_of_the_one_that_died(compare: Compare) -> None:
    assert compare(WELL, WELL, died=True) == ["round"]
    assert len(compare(WELL, SLOW, SLOW, SLOW, died=True)) == 4


def test_without_a_round_before_the_fence_nothing_is_called_slow(compare: Compare) -> None:
    assert compare(None, SLOW) == ["round"]
    assert "no stacked etcd was stopped" in compare(None, LOST, LOST, LOST)[-1]
