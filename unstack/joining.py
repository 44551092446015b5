"""What a live migration needs between old and new hosts, as it was tried: connections, and writes to disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unstack.observations import parse_report
from unstack.problems import Problem
from unstack.stacked_authority import StackedAuthority

CONNECTED = "connected"
REFUSED = "refused"


@dataclass(frozen=True)
class Connection:
    """A TCP connection that was tried, and the least time that it took, None where none came about.

    `outcome` is "connected", "refused" (somebody answered at once that nothing listens there), or what
    the host said instead.
    """

    address: str
    port: int
    outcome: str
    seconds: float | None

    @property
    def is_answered(self) -> bool:
        """True where packets went there and back, whether or not anybody listens."""
        return self.outcome in (CONNECTED, REFUSED)


@dataclass(frozen=True)
class JoiningReadings:
    """All that was read for a live migration alone.

    + problems: why something of it could not be read
    + connections: {host that tried: what came of each}
    + sync_seconds: {external member: how long each small write to its disk took}
    """

    authorities: Mapping[str, StackedAuthority] = field(default_factory=dict)
    connections: Mapping[str, tuple[Connection, ...]] = field(default_factory=dict)
    sync_seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_connections(lines: Iterable[str]) -> tuple[Connection, ...]:
    """The report of try-connections.sh, which tries each peer more than once. Raises ValueError."""
    tries: dict[tuple[str, int], list[Connection]] = {}
    for text in parse_report(lines)["connection"]:
        address, port, milliseconds, answer = text.split(" ", 3)
        outcome = _outcome(answer)
        seconds = float(milliseconds) / 1000 if outcome in (CONNECTED, REFUSED) else None
        tries.setdefault((address, int(port)), []).append(Connection(address, int(port), outcome, seconds))
    # The worst outcome counts, and of equal ones the quickest: a busy processor only adds to it.
    return tuple(min(made, key=lambda one: (_rank(one), one.seconds or 0.0)) for made in tries.values())


def _rank(one: Connection) -> int:
    return {CONNECTED: 2, REFUSED: 1}.get(one.outcome, 0)


def _outcome(text: str) -> str:
    if text == CONNECTED:
        return CONNECTED
    return REFUSED if "refused" in text.lower() else text


def read_sync_seconds(lines: Iterable[str]) -> tuple[float, ...]:
    """The report of try-disk.sh. Raises ValueError where it is none."""
    return tuple(float(text) for text in parse_report(lines)["seconds"])
