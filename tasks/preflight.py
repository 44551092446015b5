"""Preflight: every problem on every host in one pass. Nothing is changed."""

import pyinfra

from unstack.operations.preflight import examine
from unstack.run import barrier, begin


def preflight() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin(examines=True)
    examine(run, name="Examine every host")
    barrier("preflight")


if pyinfra.is_cli:
    preflight()
