"""Restore: each member from the one snapshot, under its own name."""

import pyinfra

from unstack.operations.restore import compare_restored, restore_member
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD


def restore() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    if in_group(ETCD):
        restore_member(run, name="Restore the member from the snapshot")
    checkpoint("restored")
    compare_restored(run, name="Compare the restored databases")
    barrier("restore")


if pyinfra.is_cli:
    restore()
