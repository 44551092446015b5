"""What was measured, and the file that keeps it: situations are measured in runs of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.slow_delete.errors import ExperimentError

# A standing pod was made before the situation was built; a new one is made in it.
Kind = Literal["standing", "new"]


class _Kept(BaseModel):
    """Immutable; a file of another version is refused instead of half understood."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PodTiming(_Kept):
    """One pod on one node, made and deleted through one API server; None where it was given up."""

    kind: Kind
    # Lab's name of the master whose API server was asked, Kubernetes' name of the pod's node.
    api_server: str
    node: str
    running_seconds: float | None
    gone_seconds: float | None
    # A pod that never ran was not deleted with patience: there is nothing to time.
    was_deleted: bool = True


class ApiServer(_Kept):
    """One running API server: what it was started with, and the revisions that it knows."""

    master: str
    etcd_servers: tuple[str, ...]
    # Of a list that etcd answers, and of one that its own watch cache answers.
    list_revision: int
    cache_revision: int
    # Revision of the store that it uses, read just before and just after.
    etcd_revision: tuple[int, int]


class Moment(_Kept):
    """The cluster at one time of a situation: API servers first, pods thereafter."""

    title: str
    api_servers: tuple[ApiServer, ...]
    pods: tuple[PodTiming, ...]


class Situation(_Kept):
    """One situation as it was built and measured; `begun` in ISO 8601."""

    name: str
    begun: str
    give_up_seconds: float
    moments: tuple[Moment, ...]
    # What else was seen, one line each.
    seen: tuple[str, ...] = ()


class Results(_Kept):
    """The newest measurement of each situation."""

    situations: tuple[Situation, ...] = ()

    def with_situation(self, situation: Situation) -> Results:
        """These results with that situation in place of an older measurement of it."""
        others = [one for one in self.situations if one.name != situation.name]
        return Results(situations=(*others, situation))

    def named(self, names: Sequence[str]) -> list[Situation]:
        """The situations of these names that were measured, in this order."""
        found = {one.name: one for one in self.situations}
        return [found[name] for name in names if name in found]


def load(file: Path) -> Results:
    """What the file holds; nothing if there is none.

    Raises ExperimentError if it is not such a file.
    """
    try:
        return Results.model_validate_json(file.read_text())
    except FileNotFoundError:
        return Results()
    except (OSError, ValidationError) as error:
        raise ExperimentError(f"{file}: not results of this experiment; move it away") from error


def save(file: Path, results: Results) -> None:
    """Write the file; it is whole at every moment."""
    temporary = file.with_suffix(".new")
    temporary.write_text(results.model_dump_json(indent=2) + "\n")
    temporary.rename(file)
