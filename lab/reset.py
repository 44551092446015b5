"""`reset`: whatever was done to the lab, back to how `up` left it.

Machines are made anew instead of cleaned. Cleaning has to know what was done (files, containers,
packet filters, full disks, killed processes); a new machine over the old image store does not.
"""

from __future__ import annotations

from datetime import datetime, timezone

from lab import cluster, health, machines, pristine
from lab.errors import LabError
from lab.paths import exclusive
from lab.progress import step
from lab.shape import Node, spare_master
from lab.state import Lab

_HEALTHY_SECONDS = 120.0


def reset(lab: Lab) -> None:
    """Make the lab what it was right after `up`, while nobody else changes it."""
    with exclusive():
        renew(lab)


def renew(lab: Lab) -> None:
    """Make all machines anew from the pristine copy and wait until the cluster is healthy."""
    if not pristine.kept(lab):
        raise LabError("the pristine copy is incomplete: run `python -m lab down`, then `up`")

    def renew_one(node: Node) -> None:
        cluster.make_machine(lab, node, () if node.role == "etcd" else (pristine.archive(node),))

    machines.create_network(lab.client, lab.plan.subnet)
    with step("making all machines anew"):
        # All at once: a member of the old cluster must not meet one of the pristine cluster.
        # The spare master too: it belongs to no shape, and is removed by who made it.
        everything = (*lab.plan.nodes, spare_master(lab.plan))
        machines.parallel(lambda node: machines.remove(lab.client, node), everything)
        since = datetime.now(timezone.utc)
        cluster.start_load_balancer(lab)
        machines.parallel(renew_one, lab.plan.nodes)
    with step("waiting until everything is healthy") as current:
        health.wait(lab, _HEALTHY_SECONDS, since, current)
