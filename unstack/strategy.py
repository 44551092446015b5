"""How the data moves: by a snapshot behind a fence, or live, by members that join and leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from unstack.problems import Problem


class Strategy(Enum):
    """The way from the stacked etcd to the external one."""

    SNAPSHOT = "snapshot"  # fence, snapshot, restore, cutover: a short outage
    LIVE = "live"  # external members join, API servers switch one by one, stacked members leave


@dataclass(frozen=True)
class Condition:
    """One thing that a live migration needs: what of it was found, and what is in its way."""

    name: str
    found: str  # where nothing is in its way
    problems: tuple[Problem, ...] = ()

    @property
    def is_met(self) -> bool:
        """True where nothing is in its way."""
        return not self.problems

    def lines(self) -> tuple[str, ...]:
        """For people: what was found, or each problem."""
        if self.is_met:
            return (f"{self.name}: {self.found}",)
        return tuple(f"{self.name}, which live needs: {problem}" for problem in self.problems)


def choose(conditions: Iterable[Condition]) -> Strategy:
    """What "auto" takes: live only where nothing at all is in its way."""
    found = tuple(conditions)
    return Strategy.LIVE if found and all(one.is_met for one in found) else Strategy.SNAPSHOT
