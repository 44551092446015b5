"""The cluster grows: each external member joins as a learner, catches up, and becomes a voter."""

from __future__ import annotations

from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError

from unstack.compose import render_compose
from unstack.departure import alive
from unstack.facts.cluster import known_masters, stacked_name
from unstack.facts.hosts import MemberRevision, ObservedSnapshot
from unstack.facts.membership import observe_live
from unstack.guard import Commands, action, is_executing, step
from unstack.live import LiveCluster
from unstack.live_recovery import mend_failures
from unstack.member_changes import has_own_data
from unstack.observations import Restored
from unstack.operations.live import CHANGE_SECONDS, await_well, compare_voters, tell_quorum
from unstack.operations.pki import KEY_MODE, put_file
from unstack.operations.start import compose_words, start_arguments
from unstack.placement import runs_on_external
from unstack.remote import run_script
from unstack.run import TEMPLATES, Run, read
from unstack.scripts import script


@step
def take_backup(run: Run) -> Commands:
    """
    Save the cluster's state on the first master, before its members change.

    + run: this run

    For a disaster only. It lies apart: the snapshot strategy must never take a snapshot for its own that
    was taken while writers went on.
    """
    mend_failures(run)
    if host.name != run.lead():
        host.noop(f"the backup is taken on {run.lead()}")
        return
    if observe_live(run).all_external_vote:
        host.noop("every external member votes already")
        return
    member = stacked_name(host.name, known_masters(run)[host.name])
    directory = run.topology.settings.backup_directory
    revision = read([host], MemberRevision, member=member)[host.name] if is_executing() else 0
    yield script("snapshot", member, directory, run.id, str(revision))
    taken = read([host], ObservedSnapshot, state_directory=directory)[host.name]
    run.journal.record(
        "backup",
        host=host.name,
        path=taken.path,
        revision=taken.revision,
        sha256=taken.sha256,
        bytes=taken.bytes,
    )


@step
def add_learner(run: Run, name: str) -> Commands:
    """
    Add one external member to the cluster as a learner. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    What an earlier attempt left there is set aside: with data of a member that was removed, etcd ends.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    cluster = observe_live(run)
    if cluster.listed(name) is not None:
        host.noop("this member is listed")
        return
    topology, settings = run.topology, run.topology.settings
    member = topology.member(name)
    if member is None:
        raise OperationError(f"{name} is no external member")
    if is_executing():
        cluster = await_well(run, cluster)
        tell_quorum(run, f"{name} is about to be added as a learner", cluster)
        if has_own_data(run, name):
            yield script(
                "set-aside",
                settings.etcd_data_directory,
                settings.etcd_config_directory,
                settings.etcd_container,
                run.id,
            )
    yield action(lambda: _change(run, cluster, "add", name, f"--peer-urls={member.peer_url}", "--learner"))


def _change(run: Run, cluster: LiveCluster, *arguments: str) -> None:
    """Ask a healthy stacked member for a change of the members. Raises OperationError if it refuses."""
    asked = cluster.stacked_to_ask
    if asked is None:
        raise OperationError(
            "found no healthy stacked member; expected one, which is asked for every change of the external"
            " members; to do: look at etcd on the masters"
        )
    member = stacked_name(asked, cluster.masters[asked])
    run_script(inventory.get_host(asked), "change-members", member, str(int(CHANGE_SECONDS)), *arguments)


@step
def start_learner(run: Run, name: str) -> Commands:
    """
    Start one external member and wait until it holds what the cluster held when the wait began.

    + run: this run
    + name: whose turn it is

    etcd itself promotes a learner that has 90 % of the leader's log: here it is all of it.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    topology, settings = run.topology, run.topology.settings
    member = topology.member(name)
    if member is None:
        raise OperationError(f"{name} is no external member")
    cluster = observe_live(run)
    listed = cluster.listed(name)
    if listed is not None and not listed.is_learner:
        status = cluster.statuses.get(name)
        if status is not None and status.is_healthy:
            host.noop("this member votes")
            return
        yield script("start", *start_arguments(run))
        return
    if is_executing() and listed is None:
        raise _unlisted(name)
    template = (TEMPLATES / "docker-compose.yaml.j2").read_text(encoding="utf-8")
    initial_cluster = cluster.membership.initial_cluster(topology)
    content = render_compose(topology, member, template, initial_cluster)
    yield from put_file(f"{settings.etcd_config_directory}/docker-compose.yaml", content, KEY_MODE)
    directories = (settings.etcd_config_directory, settings.etcd_data_directory)
    words = compose_words(run)
    if listed is None or not listed.name:
        yield script("create-container", *directories, settings.etcd_container, *words)
    leader = cluster.leader
    if is_executing() and leader is None:
        raise OperationError(
            "found no leader among the members that answer; expected one; to do: look at etcd's log on the"
            " masters"
        )
    yield script(
        "join",
        *directories,
        Restored.joined(settings.cluster, run.id).as_json,
        name,
        str(leader.raft_index if leader is not None else 0),
        str(int(settings.start_timeout_seconds)),
        settings.etcd_container,
        *words,
    )


def _unlisted(name: str) -> OperationError:
    return OperationError(
        f"{name}: found it in no list of members; expected a learner; to do: run deploy.py again"
    )


@step
def promote_learner(run: Run, name: str) -> Commands:
    """
    Make a voter of one external member that has caught up, and wait until it serves as one.

    + run: this run
    + name: whose turn it is
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    cluster = observe_live(run)
    listed = cluster.listed(name)
    if listed is not None and not listed.is_learner:
        host.noop("this member votes")
        return
    if is_executing():
        if listed is None:
            raise _unlisted(name)
        cluster = await_well(run, cluster)
        tell_quorum(run, f"{name} is about to vote", cluster)
    member_id = f"{listed.id:x}" if listed is not None else ""
    yield action(lambda: _change(run, cluster, "promote", member_id))
    yield script("start", *start_arguments(run))
    if is_executing():
        tell_quorum(run, f"{name} votes", observe_live(run))


@step
def prove_voters_equal(run: Run) -> Commands:
    """
    Compare HashKV of every voter, stacked and external, at one revision.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"the members are compared from {run.lead()}")
        return
    if is_executing() and not _is_to_be_compared(observe_live(run)):
        host.noop("what is left to compare is compared at the end")
        return
    if is_executing():
        compare_voters(run)
    host.noop("every voter holds the same")
    return
    yield


def _is_to_be_compared(cluster: LiveCluster) -> bool:
    """False where a stacked member has died since every API server uses the external members.

    It can only leave, and must not keep the others here: they were compared before the first switch, and
    are again at the end. Of a cluster that has moved as a whole the external members are all there is.
    """
    moved = all(runs_on_external(one, cluster.topology) for one in cluster.masters.values())
    dead = any(one.id not in alive(cluster) for one in cluster.stacked)
    return bool(cluster.stacked) and not (moved and cluster.all_external_vote and dead)
