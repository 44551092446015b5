"""Where a run ended, by the tool's own journal: `.unstack/lab/journal.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# pyinfra puts the included file before the operation's own name.
_OPERATION = re.compile(r"tasks/([a-z_-]+)\.py \| (.*)")
_STAGE_END = "=== "


@dataclass(frozen=True)
class Place:
    """The stage that was under way last, and its operation that was started or recorded last."""

    stage: str
    operation: str

    def __str__(self) -> str:
        return f"{self.stage}: {self.operation}" if self.operation else self.stage


def started(journal: Path, position: int) -> list[Place]:
    """The operations that were started, by the journal's lines from `position` (bytes) on."""
    with journal.open("rb") as stream:
        stream.seek(position)
        text = stream.read().decode(errors="replace")
    found = []
    for line in _events(text):
        match = _OPERATION.match(str(line.get("operation", "")))
        if match is not None and line.get("event") == "start":
            found.append(Place(match[1], match[2]))
    return found


def last_place(text: str, stages: Sequence[str]) -> Place | None:
    """Where the run whose journal lines these are was last; None if it had passed every stage.

    An operation that was under way has a "start" line and no result; without "start" lines the
    first stage that did not end is told. A line that is no JSON object is left out.
    """
    place: Place | None = None
    ended: set[str] = set()
    for line in _events(text):
        match = _OPERATION.match(str(line.get("operation", "")))
        if match is None:
            continue
        stage, operation = match[1], match[2]
        if line.get("event") in ("start", "operation"):
            place = Place(stage, operation)
        if operation.startswith(_STAGE_END) and line.get("result") == "ok":
            ended.add(stage)
    left = [stage for stage in stages if stage not in ended]
    if place is not None and place.stage in left:
        return place
    return Place(left[0], "") if left else None


def _events(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            found.append(event)
    return found
