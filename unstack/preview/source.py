"""What a preview is made from, and the changes that it is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from unstack.observations import FilesOnDisk
from unstack.pki import ForeseenPki
from unstack.placement import Phase
from unstack.preflight import Cluster
from unstack.preview.outage import Rehearsal
from unstack.problems import Problem
from unstack.strategy import Strategy

RUN = "<run>"  # in the name of a file that carries the run's id


@dataclass(frozen=True)
class Source:
    """All that was read, of the hosts and of the control node."""

    cluster: Cluster
    files: Mapping[str, FilesOnDisk]  # by inventory name; a host that is missing here was not read
    pki: ForeseenPki
    compose_template: str
    rehearsal: Rehearsal | None
    problems: tuple[Problem, ...]  # by which deploy.py would refuse
    now: datetime

    @property
    def phase(self) -> Phase:
        """Where the cluster stands."""
        return self.cluster.phase

    @property
    def is_live_under_way(self) -> bool:
        """True where a live migration has begun and has not ended."""
        return self.cluster.under_way is Strategy.LIVE

    @property
    def is_live(self) -> bool:
        """True where deploy.py would migrate live, or go on with it."""
        if self.cluster.strategy is not Strategy.LIVE:
            return False
        return self.is_live_under_way or self.phase is Phase.STACKED

    def on_disk(self, host: str, path: str) -> str | None:
        """The sha256 of a file on a host, None where it is not there."""
        return self.files[host].sums.get(path)


class Kind(Enum):
    """What becomes of a file."""

    NEW = "new"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True)
class FileChange:
    """A file on a host that is another one, or there, or gone, after deploy.py than before.

    A path that ends in "/" is a directory, `RUN` in a path stands for the run's id. `diff` is masked.
    """

    path: str
    kind: Kind
    note: str
    diff: tuple[str, ...] = ()


def sha256_of(text: str) -> str:
    """The sha256, in hexadecimal, of a file with this text."""
    return hashlib.sha256(text.encode()).hexdigest()


def becoming(source: Source, host: str, path: str, text: str | None, note: str) -> list[FileChange]:
    """The change by which `path` gets this text (None: one that is not known yet); none if it has it."""
    present = source.on_disk(host, path)
    if text is not None and present == sha256_of(text):
        return []
    return [FileChange(path, Kind.NEW if present is None else Kind.CHANGED, note)]


def removals(source: Source, host: str, pattern: tuple[str, str], note: str) -> list[FileChange]:
    """The files on a host whose path begins and ends like this, as removed."""
    begin, end = pattern
    return [
        FileChange(path, Kind.REMOVED, note)
        for path in source.files[host].sums
        if path.startswith(begin) and path.endswith(end)
    ]
