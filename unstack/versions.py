"""etcd version numbers, and which of them may hold a cluster's state."""

from __future__ import annotations

import re
from typing import NamedTuple


class EtcdVersion(NamedTuple):
    """An etcd version; compares as a tuple."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> EtcdVersion:
        """Read "3.5.16", "v3.5.16" or kubeadm's "3.5.1-0". Raises ValueError on anything else."""
        match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:[-+~].*)?", text.strip())
        if match is None:
            raise ValueError(f"not an etcd version: {text!r}")
        return cls(*(int(part) for part in match.groups()))

    @classmethod
    def of_image(cls, image: str) -> EtcdVersion | None:
        """The version in an image's tag, or None where the tag (or a digest alone) names none."""
        tag = image.rsplit("/", 1)[-1].partition("@")[0].partition(":")[2]
        try:
            return cls.parse(tag)
        except ValueError:
            return None

    @property
    def minor_series(self) -> tuple[int, int]:
        """(3, 5) for every 3.5.x: snapshots are supported inside one series only (etcd#13070)."""
        return (self.major, self.minor)

    @property
    def is_inconsistent(self) -> bool:
        """3.5.0 to 3.5.2 can lose committed writes when killed under load.

        Source: etcd Documentation/postmortems/v3.5-data-inconsistency.md, etcd#13766; 3.5.3 mends it.
        """
        return EtcdVersion(3, 5, 0) <= self <= EtcdVersion(3, 5, 2)

    @property
    def least_to_join(self) -> EtcdVersion:
        """The oldest version, of this one's series, that may join a running cluster as a learner.

        Older ones note a promotion wrongly, or leave zombie members in their store: it shows at the upgrade
        to 3.6 (etcd#19557, etcd#20793, etcd#20967; 3.5.26). 3.6 also failed to replay a promotion, and to
        apply a snapshot beside a defragmentation (etcd#20653; 3.6.5). 3.4 is at the end of its life.
        """
        return EtcdVersion(3, 6, 5) if self.minor_series == (3, 6) else EtcdVersion(3, 5, 26)
