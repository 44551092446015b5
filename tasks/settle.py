"""Settle: each external member is restarted once, as it will run from now on. Live strategy only."""

import pyinfra
from pyinfra import host

from unstack.operations.live import refuse_unless_live
from unstack.operations.settle import prove_settled, settle_member
from unstack.run import barrier, begin


def settle() -> None:
    """Register the stage; every host passes its barriers and calls every step, the one it is for acts."""
    run = begin()
    refuse_unless_live(run)
    for one in host.loop(run.topology.members):
        settle_member(run, one.name, name=f"Restart {one.name} by its ordinary compose file")
    prove_settled(run, name="Compare every member once more")
    barrier("settle")


if pyinfra.is_cli:
    settle()
