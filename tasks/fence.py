"""Fence: no API server can write to the stacked etcd any more. The outage begins here."""

import pyinfra

from unstack.operations.fence import fence_master
from unstack.run import barrier, begin, in_group
from unstack.topology import MASTERS


def fence() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    if in_group(MASTERS):
        fence_master(run, name="Fence: stop API server, controller-manager and scheduler")
    barrier("fence")


if pyinfra.is_cli:
    fence()
