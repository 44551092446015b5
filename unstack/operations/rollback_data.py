"""The data's way back: from the external cluster into the stacked members."""

from __future__ import annotations

from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import external_members, known_masters, read_member
from unstack.facts.hosts import ObservedSnapshot
from unstack.guard import Commands, action, is_executing, step
from unstack.manifest import EtcdManifest, ManifestError, read_etcd
from unstack.observations import MasterHost, Snapshot
from unstack.operations.prove import written_past_the_fence
from unstack.operations.snapshot import agreed_revision, copy_snapshot
from unstack.operations.way_back import Way, way_of
from unstack.proof import Proof
from unstack.run import Run, masters, on_each, read, refusal
from unstack.scripts import script


def stacked_manifest(name: str, one: MasterHost) -> EtcdManifest:
    """A master's stacked etcd, in place or kept. Raises OperationError where neither is readable."""
    try:
        return read_etcd(one.live.get("etcd") or one.kept.get("etcd", ""))
    except ManifestError as error:
        raise OperationError(f"{name}: {error}") from None


@step
def bring_data(run: Run) -> Commands:
    """
    Take a snapshot of the external cluster and bring it to every master.

    + run: this run
    """
    first = run.topology.members[0].name
    if host.name != first or way_of(run) is not Way.DATA:
        host.noop(f"the snapshot is taken on {first}" if way_of(run) is Way.DATA else "not this way")
        return
    settings = run.topology.settings
    revision = agreed_revision({one.name: one.name for one in run.topology.members}) if is_executing() else 0
    yield script("snapshot", first, settings.state_directory, run.id, str(revision))

    def bring() -> None:
        taken = read([inventory.get_host(first)], ObservedSnapshot, state_directory=settings.state_directory)
        run.cache["snapshot back"] = snapshot = taken[first]
        path = f"{settings.state_directory}/snapshot-{run.id}.db"
        copy_snapshot(first, snapshot, masters(), path)
        run.journal.record("snapshot", host=first, revision=snapshot.revision, sha256=snapshot.sha256)

    yield action(bring)


@step
def restore_stacked(run: Run) -> Commands:
    """
    Make this master's stacked member anew from the snapshot, under its old name and URL.

    + run: this run

    A stacked etcd that still runs is stopped first; its data is kept inside its directory.
    """
    if way_of(run) is not Way.DATA:
        host.noop("not this way")
        return
    settings = run.topology.settings
    observed = known_masters(run)
    mine = stacked_manifest(host.name, observed[host.name])
    yield script("keep-restore-tool", settings.kept_directory, mine.name)
    yield script(
        "retire",
        settings.manifests_directory,
        settings.kept_directory,
        mine.name,
        str(int(settings.fence_timeout_seconds)),
    )
    everyone = [stacked_manifest(name, one) for name, one in observed.items()]
    snapshot: Snapshot | None = run.cache.get("snapshot back")
    yield script(
        "restore-stacked",
        settings.kept_directory,
        settings.state_directory,
        mine.data_directory,
        run.id,
        snapshot.sha256 if snapshot is not None else "",
        mine.name,
        mine.peer_url,
        ",".join(f"{one.name}={one.peer_url}" for one in everyone),
    )


@step
def start_stacked(run: Run) -> Commands:
    """
    Start the stacked member by its old manifest, and wait for a quorum.

    + run: this run
    """
    if way_of(run) is not Way.DATA:
        host.noop("not this way")
        return
    settings = run.topology.settings
    yield script(
        "start-stacked",
        settings.manifests_directory,
        settings.kept_directory,
        stacked_manifest(host.name, known_masters(run)[host.name]).name,
        str(int(settings.ready_timeout_seconds)),
    )


@step
def prove_back(run: Run) -> Commands:
    """
    Compare every member, external and stacked, at the snapshot's revision.

    + run: this run
    """
    if host.name != run.lead() or way_of(run) is not Way.DATA:
        host.noop("not from here")
        return
    if is_executing():
        snapshot: Snapshot = run.cache["snapshot back"]
        members = {name: stacked_manifest(name, one) for name, one in known_masters(run).items()}
        stacked = on_each(
            masters(),
            lambda one: read_member(
                one, members[one.name].name, snapshot.revision, whole=one.name == run.lead()
            ),
        )
        proof = Proof(snapshot.revision, external_members(run.topology, snapshot.revision), stacked)
        problems = list(proof.problems({(one.name, (one.peer_url,)) for one in members.values()}))
        first = run.topology.members[0].name
        problems += written_past_the_fence(inventory.get_host(first), first, snapshot)
        if problems:
            raise refusal(problems, "No API server was started on the stacked cluster.")
        run.results["proof"] = proof.as_json()
        run.results["fenced_revision"] = snapshot.fenced
        run.journal.record("proof", **proof.as_json())
    host.noop("every member holds the same")
    return
    yield
