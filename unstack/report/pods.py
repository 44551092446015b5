"""The rounds of the pod probe, read from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from unstack.pod_probe import AFTER, BEFORE, Round, spread
from unstack.report.masking import masked
from unstack.report.model import PodRound, TimedPod
from unstack.report.source import Line, Source


def read_rounds(source: Source) -> Iterator[PodRound]:
    """This run's rounds in order, and first the one before the fence of an earlier run that died there."""
    own = _rounds(source.own())
    earlier = [one for one in _rounds(source.lines) if one["when"] == BEFORE]
    if earlier and any(one["when"] == AFTER for one in own) and earlier[-1] not in own:
        yield _read(earlier[-1], f"{BEFORE} (run {earlier[-1]['run']})")
    seen = 0
    for line in own:
        seen += line["when"] == AFTER
        yield _read(line, f"{AFTER}, round {seen}" if line["when"] == AFTER else str(line["when"]))


def read_slower(source: Source) -> tuple[str, ...]:
    """What was slower after the migration than before it."""
    return tuple(str(line["found"]) for line in source.own() if line["event"] == "pods slower")


def _rounds(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line["event"] == "pods"]


def _read(line: Line, title: str) -> PodRound:
    found = Round.from_json(line)
    return PodRound(
        title,
        {what: spread(seconds) for what, seconds in found.seconds().items()},
        tuple(TimedPod(**{**asdict(one), "told": masked(one.told)}) for one in found.pods),
    )
