"""Distribute: the same bytes on every member's host."""

import pyinfra

from unstack.operations.snapshot import distribute_snapshot
from unstack.run import barrier, begin


def distribute() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    distribute_snapshot(run, name="Copy the snapshot to every member's host")
    barrier("copy")


if pyinfra.is_cli:
    distribute()
