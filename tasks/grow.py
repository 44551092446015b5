"""Grow: every external member joins the running cluster, catches up, and votes. Live strategy only."""

import pyinfra
from pyinfra import host

from unstack.operations.grow import (
    add_learner,
    promote_learner,
    prove_voters_equal,
    start_learner,
    take_backup,
)
from unstack.operations.live import refuse_unless_live
from unstack.run import barrier, begin, checkpoint


def grow() -> None:
    """Register the stage; every host passes its barriers and calls every step, the one it is for acts."""
    run = begin()
    refuse_unless_live(run)
    take_backup(run, name="Take a backup of the cluster, which goes on")
    checkpoint("backed up")
    for one in host.loop(run.topology.members):
        add_learner(run, one.name, name=f"Add {one.name} as a learner")
        start_learner(run, one.name, name=f"Start {one.name} and let it catch up")
        promote_learner(run, one.name, name=f"Let {one.name} vote")
    prove_voters_equal(run, name="Compare every voter, stacked and external")
    barrier("grow")


if pyinfra.is_cli:
    grow()
