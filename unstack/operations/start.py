"""The external members' processes."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra import host
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import (
    is_migrated,
    known_etcd_hosts,
    known_member_data,
    read_stacked_content,
)
from unstack.guard import Commands, is_executing, step
from unstack.observations import MemberData
from unstack.problems import Problem
from unstack.run import Run, refusal
from unstack.scripts import script


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
        refuse_unequal(observed)
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


def refuse_unequal(members: Mapping[str, MemberData]) -> None:
    """Raises OperationError unless all hosts hold one restored database, byte for byte.

    One snapshot, one etcdutl and one --initial-cluster give identical files on all members
    (measured: docs/decisions.md), so a difference is a broken disk or a foreign file.
    """
    sums = {
        name: one.restored.database_sha256 if one.has_data and one.restored else None
        for name, one in members.items()
    }
    if len(set(sums.values())) != 1 or None in sums.values():
        raise refusal(
            [
                Problem(
                    name,
                    f"a restored database with sha256 {sha256}" if sha256 else "no restored data",
                    "the same restored database on all members",
                    "run the migration again; if it repeats, check that host's disk",
                )
                for name, sha256 in sums.items()
            ],
            "No member was started.",
        )


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
