"""The confirmation: the cluster works on the external etcd, seen through its own API."""

from __future__ import annotations

import time
from typing import Any

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError

from unstack.facts.api import ApiObject, MemberTables
from unstack.facts.cluster import external_members, is_migrated, observe_master
from unstack.guard import Commands, is_executing, step
from unstack.heartbeats import dead_before, silent_components, silent_leases
from unstack.operations.cutover import access_of
from unstack.run import Run, read
from unstack.scripts import script

KUBE_SYSTEM_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
POLL_SECONDS = 0.5


@step
def write_through(run: Run) -> Commands:
    """
    Write, read and delete one object through this master's own API server.

    + run: this run
    """
    if not _is_due(run):
        host.noop("nothing was cut over in this run")
        return
    access = access_of(host.name, observe_master(host, run.topology), run.topology)
    yield script(
        "api-write",
        access.url,
        access.ca,
        access.certificate,
        access.key,
        f"unstack-{run.id.lower()}-{host.name.lower()}",
    )


@step
def await_heartbeats(run: Run) -> Commands:
    """
    Wait until controller-manager, scheduler and all nodes have renewed their leases.

    + run: this run

    A lease renewed after the cutover was written to the external cluster by a component that
    works. A new leader waits for the old one's lease to run out first, which takes 15 s.
    """
    if host.name == run.lead() and is_executing() and _is_due(run):
        _await_heartbeats(run, run.results.get("cutover_started", run.started))
    host.noop("controller-manager, scheduler and nodes renew their leases")
    return
    yield


def _is_due(run: Run) -> bool:
    """True after this run's cutover, and where the confirmation was asked for by itself."""
    if run.results.get("nothing to confirm"):
        return False
    if "cutover" not in run.planned:
        return True
    return "cutover_started" in run.results if is_executing() else not is_migrated(run)


def _await_heartbeats(run: Run, since: float) -> None:
    topology = run.topology
    observed = observe_master(host, topology)
    access = access_of(host.name, observed, topology)
    # Leases carry the time of the cluster's hosts, whose clocks agree; this control node's may not.
    since += observed.clock_offset_seconds
    deadline = time.monotonic() + topology.settings.ready_timeout_seconds
    # Who was dead before can't be waited for, and is no reason to stop half-way.
    dead = dead_nodes(run, _object(access, NODE_LEASES), since, observed.clock_offset_seconds)
    for name in sorted(dead):
        logger.warning(f"    node {name} was silent before already; it is not waited for")
    while True:
        nodes = set(silent_leases(_object(access, NODE_LEASES), since)) - dead
        silent = [
            *silent_components(_object(access, KUBE_SYSTEM_LEASES), since),
            *(f"node {name}" for name in sorted(nodes)),
        ]
        if not silent:
            return
        if time.monotonic() > deadline:
            raise OperationError(
                f"{host.name}: found no lease renewed since the cutover by {', '.join(silent)};"
                " expected one by each; to do: look at these components' logs. The API servers work"
            )
        time.sleep(POLL_SECONDS)


def dead_nodes(run: Run, leases: dict[str, Any], since: float, offset: float) -> frozenset[str]:
    """Nodes that were silent before the fence; restored leases, as old as the backup, don't tell."""
    live: frozenset[str] | None = run.cache.get("live nodes")
    if live is not None:
        return frozenset(lease["metadata"]["name"] for lease in leases.get("items", ())) - live
    if run.results.get("restored"):
        return frozenset()
    started = run.results.get("fence_started")
    return dead_before(leases, since if started is None else started + offset)


def _object(access: Any, path: str) -> dict[str, Any]:
    return read([inventory.get_host(host.name)], ApiObject, access=access, path=path)[host.name]


@step
def show_members(run: Run) -> Commands:
    """
    Show the external cluster as etcdctl sees it, and refuse to end well when it is not healthy.

    + run: this run
    """
    if host.name == run.topology.members[0].name and is_executing():
        tables = read([inventory.get_host(host.name)], MemberTables, member=host.name)[host.name]
        for table in tables:
            for line in table.splitlines():
                logger.info(f"    {line}")
        unwell = [
            name
            for name, status in external_members(run.topology).items()
            if not status.is_healthy or status.alarms
        ]
        if unwell:
            raise OperationError(
                f"found unhealthy external members: {', '.join(unwell)}; expected none; to do: look at"
                " their containers' logs"
            )
    host.noop("all members are healthy")
    return
    yield
