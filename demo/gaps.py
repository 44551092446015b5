"""How long no write was acknowledged: plain arithmetic on times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Gap:
    """A span without an acknowledged write; begin and end in seconds of the clock it came from."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.begin

    def overlap(self, other: Gap) -> float:
        """For how long both last at once, in seconds."""
        return max(0.0, min(self.end, other.end) - max(self.begin, other.begin))

    def without(self, others: Sequence[Gap]) -> float:
        """Its length apart from others, in seconds."""
        return self.seconds - sum(self.overlap(one) for one in others)

    def shifted(self, seconds: float) -> Gap:
        """The same span on a clock that is ahead by `seconds`."""
        return Gap(self.begin + seconds, self.end + seconds)


def longest_gap(times: Sequence[float], begin: float, end: float) -> Gap:
    """The longest span of [begin, end] without any of `times`, the earliest of equal ones.

    The span before the first time and the one after the last count too: a writer that never
    succeeds again would otherwise have no outage at all. Times outside the window are left out.
    Raises ValueError if the window ends before it begins.
    """
    if end < begin:
        raise ValueError(f"the window ends ({end}) before it begins ({begin})")
    inside = sorted(moment for moment in times if begin <= moment <= end)
    edges = [begin, *inside, end]
    gaps = [Gap(before, after) for before, after in pairwise(edges)]
    return max(gaps, key=lambda gap: gap.seconds)
