"""Restore: each member from the one snapshot, under its own name."""

import pyinfra

from unstack.operations.restore import restore_member
from unstack.run import barrier, begin, in_group
from unstack.topology import ETCD


def restore() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    if in_group(ETCD):
        restore_member(run, name="Restore the member from the snapshot")
    barrier("restore")


if pyinfra.is_cli:
    restore()
