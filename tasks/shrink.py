"""Shrink: the stacked members leave, one by one. Live strategy only."""

import pyinfra
from pyinfra import host

from unstack.operations.live import refuse_unless_live
from unstack.operations.shrink import (
    keep_restore_tool,
    move_lead,
    remove_stacked_member,
    share_restore_tool,
)
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import MASTERS


def shrink() -> None:
    """Register the stage; every host passes its barriers and calls every removal, the one it is for acts."""
    run = begin()
    refuse_unless_live(run)
    if in_group(MASTERS):
        keep_restore_tool(run, name="Keep the stacked etcd's restore tool")
    checkpoint("tool kept")
    share_restore_tool(run, name="Bring the tool to masters whose stacked etcd gave none")
    move_lead(run, name="Move the lead to an external member")
    for master in host.loop(run.topology.masters):
        remove_stacked_member(run, master.name, name=f"Remove the stacked member of {master.name}")
    barrier("shrink")


if pyinfra.is_cli:
    shrink()
