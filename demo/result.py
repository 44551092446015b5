"""Everything that was measured, and what of it is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from demo.external import View
from demo.floor import Floor
from demo.gaps import Gap
from demo.migration import Migration
from demo.outcome import Outcome
from demo.pods import PodTimes
from demo.processes import Process

# The mission's limit for the outage, in bare floors.
RATIO_LIMIT = 1.4


@dataclass(frozen=True)
class Written:
    """One source of acknowledged ConfigMaps: how many, and which of them are not there."""

    source: str
    acknowledged: int
    missing: Sequence[str]
    longest_gap: Gap | None = None


@dataclass
class Result:
    """What is known so far; None where it was not measured."""

    floor: Floor | None = None
    migration: Migration | None = None
    outcome: Outcome | None = None
    written: list[Written] = field(default_factory=list)
    # Through the load balancer, in Unix time.
    longest_gap: Gap | None = None
    views: list[View] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    pods: list[PodTimes] = field(default_factory=list)
    # One line for each thing that is missing, different or failed.
    problems: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """The outage in bare floors."""
        if self.floor is None or self.longest_gap is None:
            return None
        return self.longest_gap.seconds / self.floor.seconds

    def summary(self) -> Mapping[str, Any]:
        """All of it for programs, as JSON can hold it."""
        return {
            "problems": self.problems,
            "acknowledged": sum(entry.acknowledged for entry in self.written),
            "missing": sorted(name for entry in self.written for name in entry.missing),
            "written": [
                {
                    "source": entry.source,
                    "acknowledged": entry.acknowledged,
                    "missing": len(entry.missing),
                    "longest_gap_seconds": _seconds(entry.longest_gap),
                }
                for entry in self.written
            ],
            "longest_gap_seconds": _seconds(self.longest_gap),
            "longest_gap": None if self.longest_gap is None else asdict(self.longest_gap),
            "ratio": self.ratio,
            "floor": self._floor(),
            "migration": None if self.migration is None else asdict(self.migration),
            "outcome": None if self.outcome is None else self.outcome.model_dump(mode="json"),
            "processes": [asdict(process) for process in self.processes],
            "pods": [asdict(pod) for pod in self.pods],
        }

    def _floor(self) -> Mapping[str, Any] | None:
        if self.floor is None:
            return None
        return {
            "seconds": self.floor.seconds,
            "gaps_seconds": {name: gap.seconds for name, gap in self.floor.gaps.items()},
            "gone_seconds": dict(self.floor.gone_seconds),
            "started_seconds": dict(self.floor.started_seconds),
            "ready_seconds": dict(self.floor.ready_seconds),
            "is_inflated": self.floor.is_inflated,
            "healthy_seconds": self.floor.healthy_seconds,
        }


def _seconds(gap: Gap | None) -> float | None:
    return None if gap is None else gap.seconds
