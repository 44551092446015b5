"""The confirmation: the cluster works on the external etcd, seen through its own API."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.departure import find_joint, told
from unstack.facts.api import ApiObject, MemberTables
from unstack.facts.cluster import (
    cluster_phase,
    external_members,
    is_migrated,
    observe_master,
    observe_masters,
    observe_member_data,
    placed,
    stacked_name,
)
from unstack.facts.hosts import MemberRevision
from unstack.facts.membership import observe_members
from unstack.guard import Commands, action, is_executing, step
from unstack.heartbeats import dead_before, silent_components, silent_leases
from unstack.live import LiveCluster
from unstack.manifest import flag
from unstack.observations import MasterHost
from unstack.operations.cutover import access_of
from unstack.operations.leases import KUBE_SYSTEM_LEASES
from unstack.placement import Phase
from unstack.problems import Problem
from unstack.progress import waiting
from unstack.remote import run_script
from unstack.revisions import read_key_revision, read_written, revision_problems
from unstack.run import Run, etcd_hosts, read, refusal
from unstack.scripts import script

NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
POLL_SECONDS = 0.5


@step
def refuse_joint(run: Run) -> Commands:
    """
    Refuse where a live migration is under way: stacked and external members are one cluster, or were.

    + run: this run

    The stacked members are stopped all at once later on, which would take that cluster's quorum away. And
    nobody is to record that members hold the same which only the end of settle compares.
    """
    if host.name == run.lead() and is_executing():
        masters = observe_masters(run.topology)
        check_apart(run, masters)
        check_compared(run, masters)
    host.noop("no live migration is half-way")
    return
    yield


def check_apart(run: Run, masters: Mapping[str, MasterHost]) -> None:
    """Raises OperationError where stacked and external members are one cluster."""
    statuses = observe_members(masters)
    joint = find_joint(masters, statuses, run.topology)
    if joint is not None:
        stacked = ", ".join(one.name or f"{one.id:x}" for one in joint.stacked(run.topology))
        quorum = told(LiveCluster(run.topology, masters, statuses, joint))
        raise refusal(
            [
                Problem(
                    "cluster",
                    f"the stacked members {stacked} in one cluster with external ones ({quorum})",
                    "none: stopped together they may take the quorum with them",
                    "run deploy.py, which lets them leave one by one",
                )
            ]
        )


def check_compared(run: Run, masters: Mapping[str, MasterHost]) -> None:
    """Raises OperationError where members have joined live and no run has come to their comparison."""
    if "settle" in run.planned or all(one.confirmed is not None for one in masters.values()):
        return
    members = observe_member_data(etcd_hosts(), run.topology)
    problems = [
        Problem(
            name,
            "a member of a live migration that no run has finished",
            "all members compared by settle before they are confirmed",
            "run deploy.py, which compares and confirms them",
        )
        for name, one in members.items()
        if one.has_joined
    ]
    if problems:
        raise refusal(problems)


@step
def write_through(run: Run) -> Commands:
    """
    Write, read and delete one object through this master's own API server, and find it in etcd.

    + run: this run

    The revisions that the API server tells must be etcd's: one that is left on another store takes
    writes and is ready all the same.
    """
    if not _is_due(run):
        host.noop("nothing was cut over in this run")
        return
    one = inventory.get_host(host.name)
    yield action(lambda: write_and_read(run, one))


def write_and_read(run: Run, one: Host) -> None:
    """Prove that a master's API server writes to its etcd and reads from it, by the revisions that it tells.

    Raises OperationError where it does not.
    """
    observed = observe_masters(run.topology)
    access = access_of(one.name, observed[one.name], run.topology)
    manifest = placed(one.name, observed[one.name], run.topology).manifest
    # Where one master is on the external etcd all have to be. Any member answers with a quorum.
    if cluster_phase(run.topology, observed) is Phase.STACKED:
        member, store = stacked_name(one.name, observed[one.name]), one
    else:
        member = run.topology.members[0].name
        store = inventory.get_host(member)
    name = f"unstack-{run.id.lower()}-{one.name.lower()}"
    before = read([store], MemberRevision, member=member)[store.name]
    report = run_script(one, "api-write", access.url, access.ca, access.certificate, access.key, name)
    after = read([store], MemberRevision, member=member)[store.name]
    try:
        found = read_written(report)
        prefix = "/" + (flag(manifest.command, "etcd-prefix") or "registry").strip("/")
        key = f"{prefix}/configmaps/kube-system/{name}"
        in_etcd, told = read_key_revision(run_script(store, "observe-key", member, key, str(found.written)))
    except (ValueError, KeyError) as error:
        raise OperationError(
            f"{one.name}: found an answer of its API server without a revision ({error}); expected one in"
            " each; to do: look at its log"
        ) from None
    problems = list(revision_problems(one.name, found, before, after, in_etcd, told))
    if problems:
        raise refusal(problems, "What was written for this was removed.")
    run.journal.record("revisions", host=one.name, etcd=[before, after], **asdict(found))
    logger.info(
        f"    {one.name}: etcd went from revision {before} to {after} while its API server listed at"
        f" {found.listed}, wrote at {found.written}, and saw that in its watch cache at {found.cached}"
    )


@step
def await_heartbeats(run: Run) -> Commands:
    """
    Wait until controller-manager, scheduler and all nodes have renewed their leases.

    + run: this run

    A lease renewed after the cutover was written to the external cluster by a component that
    works. Where the old leader's lease could not be let go, a new one waits 15 s for its end.
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
    if not {"cutover", "switch"} & set(run.planned):
        return True
    return "cutover_started" in run.results if is_executing() else not is_migrated(run)


def _await_heartbeats(run: Run, since: float) -> None:
    topology = run.topology
    observed = observe_master(host, topology)
    access = access_of(host.name, observed, topology)
    # Leases carry the time of the cluster's hosts, whose clocks agree; this control node's may not.
    since += observed.clock_offset_seconds
    limit = topology.settings.ready_timeout_seconds
    deadline = time.monotonic() + limit
    # Who was dead before can't be waited for, and is no reason to stop half-way.
    dead = dead_nodes(run, _object(access, NODE_LEASES), since, observed.clock_offset_seconds)
    for name in sorted(dead):
        logger.warning(f"    node {name} is silent, and was not seen alive before; it is not waited for")
    with waiting(host.name, "waiting for leases to be renewed", limit) as wait:
        while True:
            nodes = set(silent_leases(_object(access, NODE_LEASES), since)) - dead
            silent = [
                *silent_components(_object(access, KUBE_SYSTEM_LEASES), since),
                *(f"node {name}" for name in sorted(nodes)),
            ]
            if not silent:
                return
            wait.what = f"waiting for a lease renewed by {', '.join(silent)}"
            if time.monotonic() > deadline:
                raise OperationError(
                    f"{host.name}: found no lease renewed since the cutover by {', '.join(silent)};"
                    " expected one by each; to do: look at these components' logs. The API servers work"
                )
            time.sleep(POLL_SECONDS)


def dead_nodes(run: Run, leases: dict[str, Any], since: float, offset: float) -> frozenset[str]:
    """Nodes that are not waited for: silent before the fence, or of a restored lease that tells nothing.

    A restored lease is as old as its backup. Where nobody could be asked before the fence who was alive,
    no node is waited for: one that is gone for good would keep a restore from its end.
    """
    names = frozenset(lease["metadata"]["name"] for lease in leases.get("items", ()))
    live: frozenset[str] | None = run.cache.get("live nodes")
    if live is not None:
        return names - live
    if run.results.get("restored"):
        return names & frozenset(silent_leases(leases, since))
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


@step
def record_confirmation(run: Run) -> Commands:
    """
    Note on the master that the cluster works on the external etcd, with the time, once.

    + run: this run

    From then on counts how long it has been in use: a decommission asks for it.
    """
    observed = observe_master(host, run.topology)
    if host.name == run.lead() and observed.decommissioned:
        run.results["decommissioned"] = True  # for the report
    # While the plan is made it may be of an earlier move.
    if observed.confirmed and (is_executing() or is_migrated(run)):
        host.noop("the confirmation is on record")
        return
    yield script("record", run.topology.settings.kept_directory, "confirmed", run.id)
