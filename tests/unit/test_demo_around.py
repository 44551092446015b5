"""What a journal has of a span, and the step that had begun before it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from demo.around import steps
from demo.gaps import Gap


def _line(moment: float, event: str) -> str:
    return json.dumps({"time": datetime.fromtimestamp(moment, timezone.utc).isoformat(), "event": event})


def test_tells_the_step_under_way_and_what_came_within_the_span() -> None:
    journal = [_line(10.0, "long ago"), _line(11.0, "under way"), _line(13.5, "within"), _line(15.0, "later")]
    found = steps(journal, Gap(12.0, 14.0))
    assert [line.split(" ", 1)[0] for line in found] == ["00:00:11.000", "00:00:13.500"]
    assert [json.loads(line.split(" ", 1)[1])["event"] for line in found] == ["under way", "within"]


def test_a_span_before_every_line_has_none() -> None:
    assert steps([_line(20.0, "later")], Gap(12.0, 14.0)) == []
