"""Prove: the external cluster holds exactly what the stacked one holds."""

import pyinfra

from unstack.operations.prove import prove_equal
from unstack.run import barrier, begin


def prove() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    prove_equal(run, name="Compare every member, old and new")
    barrier("prove")


if pyinfra.is_cli:
    prove()
