"""How long the API would be away, part by part, and where each figure comes from.

A figure is of this cluster where a rehearsal has measured it, else of the lab. What reads or writes
the whole database grows with it; nothing is made smaller for a database that is smaller.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STAGES = ("fence", "snapshot", "distribute", "restore", "start", "prove", "cutover")
# tasks/distribute.py ends in the barrier "copy", by which a run notes its seconds.
_ALSO_CALLED = {"distribute": "copy"}


@dataclass(frozen=True)
class Speed:
    """Seconds of a stage on the lab: with a small database, and for each further GB."""

    seconds: float
    per_gigabyte: float = 0.0


# docs/how-it-works.md, "What is measured": with a small database, and how much more with a large one.
LAB_BYTES = 7_000_000
LAB = {
    "fence": Speed(1.5),
    "snapshot": Speed(0.5, 13.0),
    "distribute": Speed(0.12, 25.0),
    "restore": Speed(0.25, 26.0),
    "start": Speed(1.1, 1.4),
    "prove": Speed(0.3, 0.6),
    "cutover": Speed(10.0),
}


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal has measured on this cluster. `parts`: {stage: seconds}, for those it could."""

    at: str
    database_bytes: int
    parts: Mapping[str, float]
    outage_seconds: float | None


def read_rehearsal(text: str) -> Rehearsal | None:
    """The content of rehearsal.json; None where it is none, since an estimate can do without."""
    try:
        found: Any = json.loads(text)
        parts = {str(stage): float(seconds) for stage, seconds in found["parts"].items()}
        outage = found.get("outage_s")
        at, size = str(found["at"]), int(found["db_bytes"])
        return Rehearsal(at, size, parts, None if outage is None else float(outage))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True)
class Part:
    """A stage of the outage, in seconds, and what that is known from."""

    stage: str
    seconds: float
    origin: str


def outage(
    database_bytes: int, rehearsal: Rehearsal | None, stages: Collection[str] = STAGES
) -> Iterator[Part]:
    """The parts of the outage for a database of this size, of these stages alone, in their order."""
    for stage in STAGES:
        if stage in stages:
            measured = _rehearsed(stage, rehearsal)
            if measured is None or rehearsal is None:
                yield _of_lab(stage, database_bytes)
            else:
                yield _of_rehearsal(stage, measured, database_bytes, rehearsal)


def _rehearsed(stage: str, rehearsal: Rehearsal | None) -> float | None:
    parts = {} if rehearsal is None else rehearsal.parts
    return parts.get(stage, parts.get(_ALSO_CALLED.get(stage, stage)))


def _of_lab(stage: str, database_bytes: int) -> Part:
    speed = LAB[stage]
    more = max(0, database_bytes - LAB_BYTES)
    origin = f"the lab: {speed.seconds:g} s"
    if speed.per_gigabyte:
        origin += f" with {megabytes(LAB_BYTES)}, and {speed.per_gigabyte:g} s for each GB more"
    return Part(stage, speed.seconds + speed.per_gigabyte * more / 1e9, origin)


def _of_rehearsal(stage: str, seconds: float, database_bytes: int, rehearsal: Rehearsal) -> Part:
    if not LAB[stage].per_gigabyte:
        return Part(stage, seconds, f"the rehearsal's estimate: {seconds:g} s, as no API server was stopped")
    origin = f"the rehearsal: {seconds:g} s with {megabytes(rehearsal.database_bytes)}"
    # Below the lab's size a stage is mostly its processes' start.
    rehearsed, present = max(rehearsal.database_bytes, LAB_BYTES), max(database_bytes, LAB_BYTES)
    growth = present / rehearsed
    if growth <= 1:
        return Part(stage, seconds, origin)
    return Part(stage, seconds * growth, f"{origin}, times {growth:.2f} as the database has grown")


def megabytes(size: int) -> str:
    """A size as people read it, in units of 1000."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
