"""What everybody saw around a span: where to look for what a write waited for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

from demo.gaps import Gap, longest_gap
from demo.hosts import on_all
from demo.writers import Record
from lab import Lab

# What a member was about to do when the span began may have been told a little before or after it.
_MARGIN_SECONDS = 1.0
# Of every member, also those that have ended; a pod's pause container has no log.
_LOGS = (
    "docker ps -aq --filter name=etcd | xargs -r -n 1 docker logs --since {since} --until {until} 2>&1"
    ' | grep -E \'"level":"(warn|error|fatal|panic)"|leader|elect|promote|removed\' | cut -c 1-400'
    " | head -n 12; true"
)


def said(lab: Lab, span: Gap, journal: Path, records: Mapping[str, Record]) -> list[str]:
    """The run's steps, every writer, the members' warnings and changes of leader, one line each.

    + span: in Unix time
    + journal: of the run, `.unstack/<cluster>/journal.jsonl`
    """
    around = Gap(span.begin - _MARGIN_SECONDS, span.end + _MARGIN_SECONDS)
    script = _LOGS.format(since=f"{around.begin:.3f}", until=f"{around.end:.3f}")
    logs = on_all(lab, [*lab.masters, *lab.etcd], script)
    return [
        f"from {_clock(span.begin)} to {_clock(span.end)}:",
        *steps(journal.read_text().splitlines(), around),
        *(line for record in records.values() for line in _seen(record, around)),
        *(f"{name}: {line}" for name, text in logs.items() for line in text.splitlines()),
    ]


def steps(journal: Iterable[str], span: Gap) -> list[str]:
    """The step that was under way when the span began, and what a journal has of the span itself."""
    before, within = "", []
    for line in journal:
        event = json.loads(line)
        moment = datetime.fromisoformat(event["time"]).timestamp()
        text = f"{_clock(moment)} {line.strip()[:300]}"
        if moment < span.begin:
            before = text
        elif moment <= span.end:
            within.append(text)
    return [*filter(None, [before]), *within]


def _seen(record: Record, span: Gap) -> list[str]:
    """How long a writer waited within a span, and its requests that failed then."""
    offset = record.wall_offset
    gap = longest_gap([one.moment + offset for one in record.acknowledged], span.begin, span.end)
    return [
        f"writer {record.writer}: none acknowledged for {gap.seconds:.2f} s from {_clock(gap.begin)} on",
        *(
            f"writer {record.writer}: {_clock(one.moment + offset)} {one.reason}"
            for one in record.failed
            if span.begin <= one.moment + offset <= span.end
        ),
    ]


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%H:%M:%S.%f}"[:-3]
