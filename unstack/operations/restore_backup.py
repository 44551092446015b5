"""A backup's way beside the members' data, before anything is stopped, and the fence.

What can be refused is refused here: the file, the cluster and the hosts are looked at first, and every
member's data is made while the cluster still serves.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.api_access import api_access
from unstack.backup import Backup, BackupError, read_backup, revision_bump
from unstack.facts.api import ApiObject
from unstack.facts.cluster import (
    forget_masters,
    known_etcd_hosts,
    known_masters,
    observe_master,
    observe_member_data,
    placed,
)
from unstack.facts.hosts import ObservedOwnContent, ObservedStatus
from unstack.guard import Commands, action, is_executing, step
from unstack.heartbeats import dead_before
from unstack.members import MemberStatus
from unstack.observations import initial_cluster_token
from unstack.operations.confirm import NODE_LEASES
from unstack.preflight import Cluster
from unstack.problems import Problem
from unstack.relay import send_file
from unstack.restore_recovery import after_restore_failure
from unstack.restore_rules import begun, is_placed, problems
from unstack.restoring import Restoring, SnapshotStatus
from unstack.run import Run, etcd_hosts, on_each, read, refusal
from unstack.scripts import script


def mark_of(run: Run) -> Restoring | None:
    """The restore that is under way: this run's, or the one that a killed run has begun."""
    if is_executing() and "restoring" in run.cache:
        mark: Restoring = run.cache["restoring"]
        return mark
    return begun(known_masters(run).values())


@step
def check_backup(run: Run) -> Commands:
    """
    Read the backup and all hosts, and refuse with every problem. Changes nothing.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"everything is checked from {run.lead()}")
        return
    mark = mark_of(run)
    cluster = Cluster(run.topology, masters=known_masters(run), etcd_hosts=known_etcd_hosts(run))
    found = list(problems(cluster, _read(run), mark))
    if found:
        raise refusal(found)
    if is_executing() and mark is not None:
        logger.info(f"    going on with the restore that run {mark.run} has begun")
        run.cache["restoring"] = mark
    elif is_executing():
        _note_live_nodes(run)
    host.noop("the backup is whole, and the cluster can be restored to it")
    return
    yield


def _read(run: Run) -> Backup | BackupError | None:
    """The backup, read once a process: it may be large."""
    path = run.topology.settings.backup
    if path is not None and "backup" not in run.cache:
        try:
            run.cache["backup"] = read_backup(Path(path))
        except BackupError as error:
            run.cache["backup"] = error
    found: Backup | BackupError | None = run.cache.get("backup")
    return found


def _backup(run: Run) -> Backup:
    """The backup, which `check_backup` has found to be whole."""
    found = _read(run)
    if not isinstance(found, Backup):
        raise OperationError(f"found no backup ({found}); expected the checked one; to do: run again")
    return found


def _note_live_nodes(run: Run) -> None:
    """Which nodes are alive now, where an API server can be asked: the others are not waited for later."""
    one = known_masters(run)[host.name]
    access = api_access(placed(host.name, one, run.topology).manifest)
    leases = host.get_fact(ApiObject, access=access, path=NODE_LEASES, _ignore_errors=True)
    if leases is not None:
        names = frozenset(lease["metadata"]["name"] for lease in leases.get("items", ()))
        run.cache["live nodes"] = names - dead_before(leases, time.time() + one.clock_offset_seconds)
    else:
        logger.warning("    no API server can say which nodes are alive; silent ones are not waited for")


@step
def bring_backup(run: Run) -> Commands:
    """
    Copy the backup to every member's host, and find out how far its revisions have to be bumped.

    + run: this run

    Straight from this control node's file; each host reads back what it wrote.
    """
    if host.name != run.lead():
        host.noop(f"the copy is driven from {run.lead()}")
        return
    yield action(lambda: _bring(run))


def _bring(run: Run) -> None:
    settings, backup, mark = run.topology.settings, _backup(run), mark_of(run)
    if mark is not None and mark.in_use:
        _note(run, mark)
        return
    run_id = run.id if mark is None else mark.run
    data = observe_member_data(etcd_hosts(), run.topology)
    targets = [one for one in etcd_hosts() if not is_placed(data[one.name], mark)]
    path = f"{settings.etcd_data_directory}/snapshot-{run_id}.db"
    sums = send_file(backup.path, backup.bytes, targets, path) if targets else {}
    wrong = [
        Problem(
            name,
            f"sha256 {sha256} of the copied backup",
            backup.sha256,
            "see who writes to the file, or that host's disk, then run again",
        )
        for name, sha256 in sums.items()
        if sha256 != backup.sha256
    ]
    if wrong:
        raise refusal(wrong)
    if mark is None:
        (found,) = _statuses(run, targets[:1], f"snapshot-{run_id}.db").values()
        mark = _decide(run, backup, found.revision)
    run.cache["restoring"] = mark
    _note(run, mark)


def _statuses(run: Run, hosts: list[Host], file: str) -> dict[str, SnapshotStatus]:
    settings = run.topology.settings
    return read(
        hosts,
        ObservedStatus,
        data_directory=settings.etcd_data_directory,
        file=file,
        image=settings.etcd_image,
    )


def _decide(run: Run, backup: Backup, revision: int) -> Restoring:
    statuses = member_statuses(run)
    # Also what lies on the disks: an earlier restore may have raised the revisions of members that are down.
    noted = [one.restored for one in known_etcd_hosts(run).values() if one.restored is not None]
    highest = max(
        (*(one.revision for one in statuses), *(one.revision + one.bump for one in noted)), default=0
    )
    run.cache["highest revision"] = highest
    is_known = any(one.is_healthy for one in statuses)
    age = time.time() - backup.modified
    bump = revision_bump(revision, highest, is_known=is_known, age_seconds=age)
    basis = "a quorum of the members" if is_known else f"the file's age of {age:.0f} s"
    logger.info(
        f"    the backup ends at revision {revision}; by {basis} it is bumped by {bump} to {revision + bump}"
    )
    run.journal.record("revision bump", revision=revision, highest=highest, basis=basis, bump=bump)
    return Restoring(run.id, backup.sha256, revision, bump, False)


def _note(run: Run, mark: Restoring) -> None:
    """For the outcome and the report."""
    backup = _backup(run)
    run.results["restored"] = {
        "run": mark.run,
        "file": str(backup.path),
        "sha256": mark.sha256,
        "bytes": backup.bytes,
        "revision": mark.revision,
        "bump": mark.bump,
    }
    run.journal.record("backup", **{k: v for k, v in run.results["restored"].items() if k != "run"})


def member_statuses(run: Run) -> list[MemberStatus]:
    """The members that answer, each by itself: a lost quorum does not silence a member."""

    def ask(one: Host) -> MemberStatus | None:
        found: MemberStatus | None = one.get_fact(
            ObservedOwnContent, member=one.name, revision=0, _ignore_errors=True
        )
        return found

    return [one for one in on_each(etcd_hosts(), ask).values() if one is not None]


@step
def restore_beside(run: Run) -> Commands:
    """
    Make this member's new data from the backup, beside the data that it goes on serving.

    + run: this run
    """
    topology, settings, mark = run.topology, run.topology.settings, mark_of(run)
    member = topology.member(host.name)
    if member is None:
        raise OperationError(f"{host.name} is no external member")
    if mark is not None and (
        mark.in_use or is_placed(observe_member_data([host], topology)[host.name], mark)
    ):
        host.noop("this member has its restored data in place")
        return
    run_id = run.id if mark is None else mark.run
    yield script(
        "restore",
        settings.etcd_data_directory,
        run_id,
        "" if mark is None else mark.sha256,
        "0" if mark is None else str(mark.revision),
        initial_cluster_token(settings.cluster, run_id),
        settings.etcd_image,
        member.name,
        member.peer_url,
        topology.initial_cluster,
        "0" if mark is None else str(mark.bump),
    )


@step
def compare_restored(run: Run) -> Commands:
    """
    Refuse unless all members have restored the same, at the revision that was meant.

    + run: this run

    By etcdutl's hash of all that the database holds: the files differ where one restore was slower
    (docs/decisions.md).
    """
    mark = mark_of(run)
    if host.name == run.lead() and is_executing() and mark is not None and not mark.in_use:
        data = observe_member_data(etcd_hosts(), run.topology)
        beside = [one for one in etcd_hosts() if not is_placed(data[one.name], mark)]
        found = _statuses(run, beside, f"restoring-{mark.run}/member/snap/db")
        first = next(iter(found.values()), None)
        wrong = [
            Problem(
                name,
                f"restored data with hash {one.hash}, revision {one.revision} and {one.entries} entries",
                f"the same on all members, at revision {mark.restored_revision}",
                "run the same command again; if it repeats, check that host's disk",
            )
            for name, one in found.items()
            if one != first or one.revision != mark.restored_revision
        ]
        if wrong:
            raise refusal(wrong, "No member was stopped.")
    host.noop("every member has restored the same")
    return
    yield


@step
def mark_restoring(run: Run) -> Commands:
    """
    Mark this master: from here on a killed restore has to be finished, and nothing else may begin.

    + run: this run
    """
    mark = mark_of(run)
    if mark is not None and observe_master(host, run.topology).restoring == mark:
        host.noop("this master is marked")
        return
    if is_executing():
        run.on_failure = partial(after_restore_failure, run)
    text = "" if mark is None else mark.text()
    yield script("mark-restoring", run.topology.settings.kept_directory, text)


@step
def fence_for_restore(run: Run) -> Commands:
    """
    Take the API server, controller-manager and scheduler of a master away.

    + run: this run

    Proven by the processes' absence on the host.
    """
    mark = mark_of(run)
    if is_executing():
        run.on_failure = partial(after_restore_failure, run)
    if mark is not None and mark.in_use:
        host.noop("the restored data is in use already")
        return
    if is_executing():
        run.results.setdefault("fence_started", time.time())
    forget_masters(run)
    settings = run.topology.settings
    run.note_api_server(host.name, "taken away")
    yield script(
        "fence",
        settings.manifests_directory,
        settings.kept_directory,
        str(int(settings.fence_timeout_seconds)),
    )
