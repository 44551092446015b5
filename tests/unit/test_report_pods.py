"""What the report tells of pods: every round, the pods that were lost, and what is slower than before."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.report_lines import MIGRATED, at, page, source
from unstack.pod_probe import AFTER, BEFORE, PodTime, Round
from unstack.report.build import build

FOUND = {
    BEFORE: Round(
        BEFORE, (PodTime("master-1", "cp-b", 3.0, 1.0, 9.0), PodTime("master-2", "cp-b", 3.4, 1.0, 11.0))
    ),
    AFTER: Round(
        AFTER,
        (
            PodTime("master-1", "cp-b", 6.0, 1.1, 9.5),
            PodTime("master-2", "cp-b", None, None, None, "0/1 ContainerCreating"),
        ),
    ),
}
SLOWER = "create to Running takes 6.0 s, 1.88 times what it took before (3.2 s), in each of 3 rounds"


def test_every_round_is_shown_with_each_of_its_pods(tmp_path: Path) -> None:
    lines = [
        at(2.5, "pods", **FOUND[BEFORE].as_json()),
        *MIGRATED,
        at(38.0, "pods", **FOUND[AFTER].as_json()),
        at(39.0, "pods", **FOUND[AFTER].as_json()),
        at(39.1, "pods slower", found=SLOWER),
    ]
    report = build(source(lines, tmp_path))
    rounds = json.loads(report.as_json())["pods"]
    assert [one["title"] for one in rounds] == ["before", "after, round 1", "after, round 2"]
    assert rounds[0]["times"] == {
        "create to Running": "3.2 s (3.0 to 3.4)",
        "delete to stopped": "1.0 s (1.0 to 1.0)",
        "delete to gone": "10.0 s (9.0 to 11.0)",
    }
    assert rounds[1]["times"]["create to Running"] == "6.0 s (6.0 to 6.0), 1 never in time"
    text = page(report)
    assert "last seen: 0/1 ContainerCreating" in text
    assert f"{SLOWER}." in text
    assert any("pods before: 2 on 1 nodes through 2 API servers" in step.text for step in report.steps)


def test_a_run_that_goes_on_shows_the_round_before_the_fence_of_the_one_that_died(tmp_path: Path) -> None:
    died = "20261124T115830Z"
    lines = [
        at(-9000, "pods", run="20261001T000000Z", **FOUND[BEFORE].as_json()),
        at(-60, "pods", run=died, **FOUND[BEFORE].as_json()),
        *MIGRATED,
        at(38.0, "pods", **FOUND[AFTER].as_json()),
    ]
    report = build(source(lines, tmp_path))
    assert [one.title for one in report.pods] == [f"before (run {died})", "after, round 1"]


def test_a_run_that_timed_no_pods_says_nothing_of_them(tmp_path: Path) -> None:
    earlier = at(-60, "pods", run="20261124T115830Z", **FOUND[BEFORE].as_json())
    report = build(source([earlier, *MIGRATED], tmp_path))
    assert report.pods == ()
    assert "Pods that come and go" not in page(report)
