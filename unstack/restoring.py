"""A restore of a backup: the mark that it leaves on every master, and what etcdutl says of a snapshot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class SnapshotStatus:
    """`etcdutl snapshot status`: a hash of all that the database holds, however its pages lie."""

    hash: int
    revision: int
    entries: int  # of all buckets in 3.5, live keys from 3.6 on

    @classmethod
    def parse(cls, text: str) -> SnapshotStatus:
        """Read etcdutl's JSON. Raises KeyError or ValueError where it is none."""
        found = json.loads(text)
        return cls(found["hash"], found["revision"], found["totalKey"])


@dataclass(frozen=True)
class Restoring:
    """The mark on every master of a restore that has begun: which backup, and how it is restored."""

    run: str  # the run that began it, whose name the data has
    sha256: str  # of the backup
    revision: int  # the backup's last one
    bump: int  # by which the restored revisions are raised, the same on all members
    in_use: bool  # API servers may have written to the restored data

    @property
    def restored_revision(self) -> int:
        """The first revision of the restored cluster: everything below is compacted."""
        return self.revision + self.bump

    @classmethod
    def parse(cls, text: str) -> Restoring:
        """Read the mark. Raises ValueError when it is not ours."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def text(self) -> str:
        """The mark as it is written."""
        return json.dumps(asdict(self))
