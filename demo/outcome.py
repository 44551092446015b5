"""What the tool itself says of its run: `.unstack/<cluster>/runs/<run>/outcome.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from demo.errors import DemoError
from demo.gaps import Gap

# The order in which a run passes through them.
PARTS = ("fence", "snapshot", "copy", "restore", "start", "prove", "cutover")


class _Read(BaseModel):
    """Immutable, and indifferent to what else the tool may come to write."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Member(_Read):
    """One etcd member at the proof's revision."""

    name: str
    hash: int
    compact_revision: int
    revision: int
    keys: int


class Proof(_Read):
    """The stacked and the external members, compared while no API server ran."""

    revision: int
    old: tuple[Member, ...]
    new: tuple[Member, ...]


class Outcome(_Read):
    """One run; `parts` in seconds, `cutover_started` in Unix time."""

    run: str
    cluster: str
    parts: dict[str, float]
    cutover_started: float
    proof: Proof


def spans(outcome: Outcome) -> dict[str, Gap]:
    """When each part of the outage took place, in Unix time.

    The parts follow each other without a pause, and all but the last end as the cutover starts.
    What the tool did before the fence and after the cutover is no part of it and left out.
    """
    *before, cutover = PARTS
    found: dict[str, Gap] = {}
    moment = outcome.cutover_started
    for part in reversed(before):
        begin = moment - outcome.parts.get(part, 0.0)
        found[part] = Gap(begin, moment)
        moment = begin
    end = outcome.cutover_started + outcome.parts.get(cutover, 0.0)
    return {part: found[part] for part in before} | {cutover: Gap(outcome.cutover_started, end)}


def newest(runs: Path, since: float) -> Outcome:
    """The outcome that was written last, and after `since` (Unix time).

    Raises DemoError if there is none: an older one would prove nothing about this run.
    """
    files = sorted(runs.glob("*/outcome.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise DemoError(f"the tool left no outcome: there is no {runs}/*/outcome.json")
    if files[-1].stat().st_mtime < since:
        raise DemoError(f"the tool left no outcome of this run: {files[-1]} is older than it")
    return read(files[-1])


def read(file: Path) -> Outcome:
    """One outcome file; raises DemoError that names what is wrong with it."""
    try:
        return Outcome.model_validate_json(file.read_text())
    except OSError as error:
        raise DemoError(f"{file}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the file"
        raise DemoError(f"{file}: {place}: {first['msg']}") from error


def proof_problems(proof: Proof, members: int) -> list[str]:
    """How the external members differ from the stacked ones, one line each; empty if they don't.

    A hash says something only together with its compact revision (etcd, server/mvcc/hash.go), so
    both are compared, and revision and key count for those who want to see them.
    """
    found = []
    if not proof.old:
        found.append("the proof holds no member of the stacked cluster")
    if len(proof.new) != members:
        found.append(f"the proof holds {len(proof.new)} external members, expected {members}")
    everyone = _sided(proof)
    for what in ("hash", "compact_revision", "revision", "keys"):
        values = {label: getattr(member, what) for label, member in everyone}
        if len(set(values.values())) > 1:
            listing = ", ".join(f"{label} {value}" for label, value in values.items())
            found.append(f"members differ in {what.replace('_', ' ')}: {listing}")
    return found


def _sided(proof: Proof) -> Sequence[tuple[str, Member]]:
    return [
        *((f"old {member.name}", member) for member in proof.old),
        *((f"new {member.name}", member) for member in proof.new),
    ]
