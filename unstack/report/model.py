"""What a report holds. report.json is its dump; every other module here makes or shows a part of it.

Offsets and durations are seconds; an offset counts from the start of the run and may be negative.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from unstack.report.certificates import Certificate

SCHEMA = 1


@dataclass(frozen=True)
class Stage:
    """A stage, from the end of the one before it. `result` is "ok", "failed" or "way back"."""

    name: str
    start: float
    seconds: float
    result: str


@dataclass(frozen=True)
class Operation:
    """An operation on one host. `task` is the file it came from in deploy.py, else empty."""

    task: str
    name: str
    start: float
    seconds: float
    result: str  # ok or failed

    @property
    def failed(self) -> bool:
        """True where the host failed it."""
        return self.result != "ok"


@dataclass(frozen=True)
class Lane:
    """A host with its operations in the order of their end; `group` is "masters" or "etcd"."""

    host: str
    address: str
    group: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Outage:
    """From the first API server that was taken away to the first that was ready again.

    `end` and `seconds` are None where none had become ready by the end of the run; `began_in` is the
    run that took it away, which may be an earlier one that died.
    """

    start: float
    end: float | None
    seconds: float | None
    began_in: str


@dataclass(frozen=True)
class Step:
    """A line of the journal as a person reads it; equal operations of several hosts are one.

    `kind` is "operation", "stage" or "event"; `hosts` is empty but for operations.
    """

    start: float
    kind: str
    task: str
    text: str
    hosts: tuple[StepOnHost, ...]


@dataclass(frozen=True)
class StepOnHost:
    """How an operation went on one host."""

    host: str
    seconds: float
    result: str


@dataclass(frozen=True)
class ProvenMember:
    """A member's content at the proof's revision. `side` is "stacked" or "external"."""

    name: str
    side: str
    version: str
    hash: int
    compact_revision: int
    revision: int
    keys: int


@dataclass(frozen=True)
class Proof:
    """What was compared. `equal` is told by the rows themselves; `live` where API servers wrote meanwhile."""

    revision: int
    equal: bool
    live: bool
    members: tuple[ProvenMember, ...]


@dataclass(frozen=True)
class TimedPod:
    """A pod on a node, through the API server of a master; None where it was given up, and `told` why."""

    node: str
    api_server: str
    running_seconds: float | None  # from create
    stopped_seconds: float | None  # from delete
    gone_seconds: float | None  # from delete
    told: str


@dataclass(frozen=True)
class PodRound:
    """One round of the pod probe. `times`: {what was timed: median, least and most in words}."""

    title: str
    times: dict[str, str]
    pods: tuple[TimedPod, ...]


@dataclass(frozen=True)
class Diff:
    """A unified diff of a file on a host, secrets masked."""

    host: str
    file: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Kept:
    """What was kept, and where: `host` is a name or words for several."""

    what: str
    host: str
    path: str


@dataclass(frozen=True)
class Version:
    """A version of something that took part."""

    what: str
    version: str


@dataclass(frozen=True)
class Ending:
    """How the run ended.

    `result` is "migrated", "nothing to do", "done", "brought back", "restored", "went on", "rolled back" or
    "stopped"; `before` and `after` are where the control plane keeps its state, "stacked",
    "external" or "" where this run did not find out. `stacked_at_rest`: its etcd was stopped.
    """

    result: str
    sentence: str
    before: str
    after: str
    stacked_at_rest: bool


@dataclass(frozen=True)
class WayBack:
    """How to roll back: a sentence, and the command if there is one."""

    text: str
    command: str


@dataclass(frozen=True)
class Report:
    """All of it."""

    schema: int
    run: str
    cluster: str
    started: str  # ISO 8601, UTC
    finished: str
    seconds: float
    ending: Ending
    stages: tuple[Stage, ...]
    outages: tuple[Outage, ...]
    hosts: tuple[Lane, ...]
    proof: Proof | None
    pods: tuple[PodRound, ...]
    slower_pods: tuple[str, ...]  # what is slower than before, one sentence each
    certificates: tuple[Certificate, ...]
    diffs: tuple[Diff, ...]
    versions: tuple[Version, ...]
    kept: tuple[Kept, ...]
    way_back: WayBack
    steps: tuple[Step, ...]

    def as_json(self) -> str:
        """The text of report.json."""
        found: dict[str, Any] = dataclasses.asdict(self)
        return json.dumps(found, indent=2) + "\n"
