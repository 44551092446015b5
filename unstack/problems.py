"""What is wrong on which host, written for the person on call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that stops a run: the host, what was found, what was expected, what to do.

    `host` is the inventory name, or "cluster" / "group_data" where no single host is to blame.
    """

    host: str
    found: str
    expected: str
    action: str

    def __str__(self) -> str:
        return f"{self.host}: found {self.found}; expected {self.expected}; to do: {self.action}"


class ProblemsError(Exception):
    """Carries every problem of one pass, so that none is found only after mending another."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
