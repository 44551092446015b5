"""What a report is made from: the journal's lines, and what the run's process still knows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from unstack.topology import Topology

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """A file that a run has replaced on a host, as it was and as it is. Masked only when it is shown."""

    host: str
    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Source:
    """A run, without the machinery that runs it.

    `lines` is the whole journal up to now: an outage may have begun in an earlier run.
    """

    run: str
    started: float  # seconds since the epoch
    finished: float
    topology: Topology
    directory: Path  # .unstack/<cluster>
    planned: tuple[str, ...]  # the stages that were asked for, in their order
    results: Mapping[str, Any]
    changes: Sequence[Change]
    lines: Sequence[Line]

    def own(self) -> list[Line]:
        """This run's lines."""
        return [line for line in self.lines if line["run"] == self.run]

    def offset(self, line: Line) -> float:
        """When the line was written, in seconds since the start of the run."""
        return round(written(line) - self.started, 3)

    @property
    def is_live(self) -> bool:
        """True where API servers were to be switched one by one, with no fence."""
        return "switch" in self.planned

    @property
    def is_rollback(self) -> bool:
        """True for tasks/rollback.py."""
        return "way back" in self.planned

    @property
    def is_rehearsal(self) -> bool:
        """True for tasks/rehearse.py."""
        return "rehearsal" in self.planned

    @property
    def is_restore(self) -> bool:
        """True for tasks/restore_backup.py."""
        return "backup" in self.planned


def written(line: Line) -> float:
    """The time of a line, in seconds since the epoch."""
    return datetime.fromisoformat(str(line["time"])).timestamp()


def utc(seconds: float) -> str:
    """ISO 8601 in UTC, to the second, of seconds since the epoch."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")


def read_lines(journal: Path) -> list[Line]:
    """The journal's lines; one that can't be read, as a full disk leaves it, is left out."""
    return list(_lines(journal))


def _lines(journal: Path) -> Iterator[Line]:
    with journal.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
                written(line)
            except (ValueError, KeyError, TypeError):
                continue
            if "run" in line and "event" in line:
                yield line
