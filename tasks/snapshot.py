"""Snapshot: taken once, of the fenced cluster."""

import pyinfra

from unstack.operations.snapshot import take_snapshot
from unstack.run import barrier, begin


def snapshot() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    take_snapshot(run, name="Take the snapshot of the fenced cluster")
    barrier("snapshot")


if pyinfra.is_cli:
    snapshot()
