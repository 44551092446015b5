"""The gate before the cutover: the external cluster holds exactly what the stacked one held."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host, inventory
from pyinfra.api import StringCommand, operation

from unstack.facts.cluster import (
    cluster_phase,
    external_members,
    known_masters,
    read_stacked_content,
    snapshot_taken,
)
from unstack.placement import Phase
from unstack.proof import Proof
from unstack.run import Run, is_executing, on_each, refusal


@operation()
def prove_equal(run: Run) -> Generator[StringCommand]:
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
    """Read and compare both clusters now. Raises OperationError, all differences shown."""
    topology = run.topology
    masters = known_masters(run)
    _, snapshot = snapshot_taken(masters)
    stacked = on_each(
        [inventory.get_host(name) for name in masters],
        lambda one: read_stacked_content(run, one.name),
    )
    external = external_members(topology, snapshot.revision)
    proof = Proof(snapshot.revision, stacked, external)
    problems = list(proof.problems(topology))
    if problems:
        raise refusal(problems, "No API server was started on the external cluster.")
    return proof
