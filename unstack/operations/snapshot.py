"""The snapshot: taken once, of the fenced cluster, and the same bytes brought to every member's host."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.cluster import (
    cluster_phase,
    known_masters,
    read_member,
    snapshot_taken,
    stacked_name,
)
from unstack.facts.hosts import MemberRevision, ObservedSnapshot
from unstack.guard import Commands, action, is_executing, step
from unstack.observations import COMPONENTS, MasterHost, Snapshot
from unstack.placement import Phase
from unstack.problems import Problem
from unstack.progress import waiting
from unstack.relay import relay_file
from unstack.run import Run, etcd_hosts, on_each, read, refusal
from unstack.scripts import script
from unstack.topology import Topology

ONE_REVISION_SECONDS = 10.0


@step
def take_snapshot(run: Run) -> Commands:
    """
    Save the fenced cluster's state on the first master; in a rehearsal the living one's.

    + run: this run

    Refused while any API server runs, and until all stacked members hold one revision, but in a
    rehearsal. The snapshot's own sha256 and its revision are checked where it was written.
    """
    topology = run.topology
    if host.name != run.lead():
        host.noop(f"the snapshot is taken on {run.lead()}")
        return
    observed = known_masters(run)
    if cluster_phase(topology, observed) is not Phase.STACKED:
        host.noop("a master is on the external etcd already: a snapshot of the old one is history")
        return
    revision = 0
    if is_executing():
        revision = live_revision(run, observed) if run.rehearses else fenced_revision(topology, observed)
    settings = topology.settings
    yield script(
        "snapshot",
        stacked_name(host.name, observed[host.name]),
        settings.state_directory,
        run.noted,
        str(revision),
    )
    taken = read([host], ObservedSnapshot, state_directory=settings.state_directory)
    snapshot = taken[host.name]
    observed[host.name] = replace(observed[host.name], snapshot=snapshot)
    if not run.rehearses:
        run.results["fenced_revision"] = revision
    run.journal.record(
        "snapshot",
        host=host.name,
        revision=snapshot.revision,
        sha256=snapshot.sha256,
        bytes=snapshot.bytes,
    )


def fenced_revision(topology: Topology, observed: dict[str, MasterHost]) -> int:
    """The one revision that all stacked members hold, with no API server running.

    Raises OperationError when an API server runs or the members do not agree.
    """
    problems = [
        Problem(
            name,
            f"a running {component}",
            "none while the snapshot is taken",
            "run tasks/fence.py",
        )
        for name, one in observed.items()
        for component in COMPONENTS
        if one.running(component)
    ]
    if problems:
        raise refusal(problems, "The snapshot was not taken.")
    return agreed_revision({name: stacked_name(name, one) for name, one in observed.items()})


def live_revision(run: Run, observed: Mapping[str, MasterHost]) -> int:
    """The revision of the cluster while writers go on; the leases that there are by then are noted.

    Raises OperationError where the first master's member does not answer.
    """
    lead = inventory.get_host(run.lead())
    name = stacked_name(lead.name, observed[lead.name])
    revision = read_member(lead, name).revision
    content = read_member(lead, name, revision).content
    run.cache["leases before the snapshot"] = content.leases if content is not None else None
    return revision


def agreed_revision(names: Mapping[str, str]) -> int:
    """The one revision that all members hold. `names`: {host: the --name of its member}.

    Members that lag catch up within a few heartbeats, so they are asked again for up to 10 s.
    Raises OperationError when they do not agree.
    """
    deadline = time.monotonic() + ONE_REVISION_SECONDS

    def ask(one: Host) -> int | None:
        revision: int | None = one.get_fact(MemberRevision, member=names[one.name], _ignore_errors=True)
        return revision

    with waiting(", ".join(names), "waiting for one revision that all members hold", ONE_REVISION_SECONDS):
        while True:
            revisions = on_each([inventory.get_host(name) for name in names], ask)
            first, *others = set(revisions.values())
            if first is not None and not others:
                return first
            if time.monotonic() > deadline:
                told = ", ".join(f"{name}: {revision}" for name, revision in revisions.items())
                raise OperationError(
                    f"found no revision that all members hold ({told}); expected one, since nobody writes;"
                    " to do: find who writes to etcd directly, or why a member lags"
                )
            time.sleep(0.1)


@step
def distribute_snapshot(run: Run) -> Commands:
    """
    Bring the snapshot from the master that took it to every external member's host.

    + run: this run

    One read, all writes at once, straight through this control node's SSH connections and never
    onto its disk. Each host reads back what it wrote: its sha256 must be the master's.
    """
    topology = run.topology
    if host.name != run.lead():
        host.noop(f"the copy is driven from {run.lead()}")
        return
    if cluster_phase(topology, known_masters(run)) is not Phase.STACKED:
        host.noop("a master is on the external etcd already: nothing is restored any more")
        return

    def relay() -> None:
        source, snapshot = snapshot_taken(known_masters(run))
        target = f"{topology.settings.etcd_data_directory}/snapshot-{snapshot.run}.db"
        copy_snapshot(source, snapshot, etcd_hosts(), target)

    yield action(relay)


def copy_snapshot(source: str, snapshot: Snapshot, targets: Sequence[Host], path: str) -> None:
    """Bring a snapshot from `source` to `path` on all targets, and compare what their disks hold.

    Raises OperationError where a copy is not what was taken.
    """
    found = relay_file(inventory.get_host(source), snapshot.path, snapshot.bytes, targets, path)
    wrong = [
        Problem(
            name,
            f"sha256 {sha256} of the copied snapshot",
            f"{snapshot.sha256}, as taken on {source}",
            "run the same task again; if it repeats, check that host's disk and memory",
        )
        for name, sha256 in found.items()
        if sha256 != snapshot.sha256
    ]
    if wrong:
        raise refusal(wrong, "Nothing was restored.")
