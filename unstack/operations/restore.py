"""The external members' data: restored from the one snapshot, each under its own name."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import (
    cluster_phase,
    known_masters,
    observe_member_data,
    snapshot_taken,
)
from unstack.guard import Commands, is_executing, step
from unstack.observations import initial_cluster_token
from unstack.operations.live import refuse_joined
from unstack.placement import Phase
from unstack.run import Run
from unstack.scripts import script


@step
def restore_member(run: Run) -> Commands:
    """
    Restore this host's member from the snapshot that was brought here.

    + run: this run

    Only while every master still has the stacked etcd: restoring under API servers that write to
    the external one would take their writes away. What an earlier, unfinished run restored is
    kept aside as `previous-<run>`; a data directory that is not ours is never touched.
    """
    topology = run.topology
    member = topology.member(host.name)
    if member is None:
        raise OperationError(f"{host.name} is no external member")
    settings = topology.settings
    masters_seen = known_masters(run)
    if cluster_phase(topology, masters_seen) is not Phase.STACKED:
        host.noop("a master is on the external etcd: its data is live and is never restored over")
        return
    if is_executing():
        refuse_joined(run)
    observed = observe_member_data([host], topology)[host.name]
    if observed.has_data and observed.restored is None:
        raise OperationError(
            f"{host.name}: found data in {settings.etcd_data_directory}/data that this tool did not"
            " restore; expected none; to do: move it away if nobody needs it. It was not touched."
        )
    if observed.restored is not None and observed.restored.cluster != settings.cluster:
        raise OperationError(
            f"{host.name}: found the member of the cluster {observed.restored.cluster}; expected"
            f" none or one of {settings.cluster}; to do: use another host. It was not touched."
        )
    snapshot = snapshot_taken(masters_seen)[1] if is_executing() else None
    restored = observed.restored if observed.has_data else None
    if snapshot is not None and restored is not None and restored.sha256 == snapshot.sha256:
        host.noop("this member was restored from this snapshot")
        return
    if observed.container == "running" and observed.has_data:
        yield script("stop-member", settings.etcd_container)
    if snapshot is not None:
        run_id, sha256, revision = snapshot.run, snapshot.sha256, snapshot.revision
    else:
        run_id, sha256, revision = run.id, "", 0
    yield script(
        "restore",
        settings.etcd_data_directory,
        run_id,
        sha256,
        str(revision),
        initial_cluster_token(settings.cluster, run_id),
        settings.etcd_image,
        member.name,
        member.peer_url,
        topology.initial_cluster,
    )
