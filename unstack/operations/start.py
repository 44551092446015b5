"""The external members' processes."""

from __future__ import annotations

from collections.abc import Mapping

from gevent.lock import RLock
from pyinfra import host
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import (
    is_migrated,
    known_etcd_hosts,
    known_member_data,
    read_stacked_content,
)
from unstack.facts.hosts import ObservedStatus
from unstack.guard import Commands, is_executing, step
from unstack.observations import MemberData
from unstack.problems import Problem
from unstack.restoring import SnapshotStatus
from unstack.run import Run, etcd_hosts, read, refusal
from unstack.scripts import script

ALIKE = "the same restored database on all members"
# Several hosts' operations ask at once; one of them reads for all.
_READING = RLock()


@step
def start_members(run: Run) -> Commands:
    """
    Start each external member by compose and wait until it answers with a quorum.

    + run: this run

    A master reads its stacked member's content meanwhile, which the proof will ask for: an
    election is a second of waiting, and the outage has none to spare.

    A member without restored data is refused here, and so are members that differ. etcd itself
    refuses an empty one too, as it is given --initial-cluster-state=existing: with "new" it would
    become an empty voter that passes every health check (docs/decisions.md).
    """
    settings = run.topology.settings
    if run.topology.member(host.name) is None:
        if is_executing() and not is_migrated(run):
            read_stacked_content(run, host.name)
        host.noop("the stacked member is only read")
        return
    observed = known_member_data(run)
    if observed[host.name].container == "running" and observed[host.name].has_data:
        host.noop("this member runs already")
        return
    if is_executing() and not is_migrated(run):
        refuse_unequal(run, observed)
    elif is_executing() and not observed[host.name].has_data:
        raise OperationError(
            f"{host.name}: found no data in {settings.etcd_data_directory}/data; expected this"
            " member's; to do: find it. No empty member was started."
        )
    yield script("start", *start_arguments(run))


def start_arguments(run: Run) -> tuple[str, ...]:
    """The arguments of start.sh on this host."""
    settings = run.topology.settings
    return (
        settings.etcd_config_directory,
        host.name,
        str(int(settings.start_timeout_seconds)),
        settings.etcd_container,
        *compose_words(run),
    )


def refuse_unequal(run: Run, members: Mapping[str, MemberData]) -> None:
    """Raises OperationError unless all hosts hold the same restored database.

    Mostly the files are identical. Where etcd committed in between or the snapshot has free pages
    they need not be (docs/decisions.md): then etcdutl's hash of all that they hold decides.
    """
    sums = {
        name: one.restored.database_sha256 if one.has_data and one.restored else None
        for name, one in members.items()
    }
    problems = [
        Problem(name, "no restored data", ALIKE, "run the migration again, which restores it")
        for name, sha256 in sums.items()
        if sha256 is None
    ]
    # Of a member that runs already, as after a stage that failed half-way, etcdutl can read nothing, and
    # it would hold something else by now: then the proof is the first to compare.
    if len(set(sums.values())) > 1 and not any(one.container == "running" for one in members.values()):
        problems = problems or differing(_contents(run))
    if problems:
        raise refusal(problems, "No member was started.")


def differing(contents: Mapping[str, SnapshotStatus]) -> list[Problem]:
    """Every host, where what their databases hold is not the same on all of them."""
    if len(set(contents.values())) == 1:
        return []
    return [
        Problem(
            name,
            f"restored data with hash {one.hash:08x}, revision {one.revision} and {one.entries} entries",
            ALIKE,
            "run the migration again; if it repeats, check that host's disk",
        )
        for name, one in contents.items()
    ]


def _contents(run: Run) -> dict[str, SnapshotStatus]:
    """What the restored databases hold, read once for all hosts: {inventory name: SnapshotStatus}."""
    with _READING:
        if "restored contents" not in run.cache:
            settings = run.topology.settings
            run.cache["restored contents"] = read(
                etcd_hosts(),
                ObservedStatus,
                data_directory=settings.etcd_data_directory,
                file="data/member/snap/db",
                image=settings.etcd_image,
            )
        found: dict[str, SnapshotStatus] = run.cache["restored contents"]
        return found


def compose_words(run: Run) -> list[str]:
    """The words of the compose command to use on this host: the setting's, or the first it has.

    Asked once a run, before the outage.
    """
    setting = run.topology.settings.compose_command
    if setting != "auto":
        return setting.split(" ")
    key = f"compose on {host.name}"
    if key not in run.cache:
        available = known_etcd_hosts(run)[host.name].compose
        run.cache[key] = next(iter(available), "docker compose").split(" ")
    words: list[str] = run.cache[key]
    return words
