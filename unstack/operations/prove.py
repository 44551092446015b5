"""The gate before the cutover: the external cluster holds exactly what the stacked one held."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host, inventory
from pyinfra.api.host import Host

from unstack.facts.cluster import (
    cluster_phase,
    known_masters,
    read_member,
    read_stacked_content,
    snapshot_taken,
    stacked_name,
)
from unstack.facts.hosts import ClientWrites
from unstack.guard import Commands, is_executing, step
from unstack.members import MemberStatus
from unstack.observations import Snapshot
from unstack.placement import Phase
from unstack.problems import Problem
from unstack.proof import Proof
from unstack.run import Run, etcd_hosts, on_each, refusal


@step
def prove_equal(run: Run) -> Commands:
    """
    Compare HashKV, compact revision, keys, leases, users and roles of every member, old and new.

    + run: this run

    Asked of each member by itself at the snapshot's revision: a health check says nothing of the
    data. Refused when anything differs; no master has been changed by then.
    """
    if host.name != run.lead():
        host.noop(f"the members are compared from {run.lead()}")
        return
    if "proof" in run.results:
        host.noop("proven in this run")
        return
    topology = run.topology
    masters = known_masters(run)
    if cluster_phase(topology, masters) is not Phase.STACKED:
        host.noop("a master is on the external etcd already: the two have moved apart since")
        return
    if is_executing():
        run.results["proof"] = prove(run).as_json()
        run.journal.record("proof", **run.results["proof"])
    host.noop("every member holds the same")
    return
    yield


def prove(run: Run) -> Proof:
    """Read and compare both clusters now, every member at once.

    Raises OperationError, all differences shown, also where a client has written to the stacked
    cluster past the fence: what it was told is kept would be lost.
    """
    topology = run.topology
    masters = known_masters(run)
    _, snapshot = snapshot_taken(masters)
    first = topology.members[0].name
    problems: list[Problem] = []

    def ask(one: Host) -> MemberStatus:
        if one.name not in masters:
            return read_member(one, one.name, snapshot.revision, whole=one.name == first)
        # In a rehearsal writers go on, and are meant to.
        if one.name == run.lead() and not run.rehearses:
            name = stacked_name(one.name, masters[one.name])
            problems.extend(written_past_the_fence(one, name, snapshot))
        return read_stacked_content(run, one.name)

    found = on_each([*(inventory.get_host(name) for name in masters), *etcd_hosts()], ask)
    proof = Proof(
        snapshot.revision,
        {name: status for name, status in found.items() if name in masters},
        {name: status for name, status in found.items() if name not in masters},
    )
    problems += proof.problems({(one.name, (one.peer_url,)) for one in topology.members})
    if problems:
        raise refusal(problems, "No API server was started on the external cluster.")
    return proof


def written_past_the_fence(host: Host, member: str, snapshot: Snapshot) -> Iterator[Problem]:
    """A client of etcd itself that the fence has not stopped, by the history of a member's cluster.

    What it was told is kept would be lost: it may be written after the snapshot.
    """
    written = host.get_fact(ClientWrites, member=member, revision=snapshot.fenced, _ignore_errors=True)
    if written is not False:
        yield Problem(
            host.name,
            "writes to etcd past the fence, by a client that is no API server"
            if written
            else "no history of etcd since the fence",
            f"none since revision {snapshot.fenced}",
            "find and stop that client (`ss -tnp` on etcd's client port), then run again",
        )
