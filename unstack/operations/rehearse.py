"""A rehearsal's bounds: where it is refused, and that nothing of it is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from pyinfra import host, logger
from pyinfra.api.host import Host
from pyinfra.facts.files import Directory

from unstack.facts.cluster import cluster_phase, is_migrated, known_etcd_hosts, known_masters
from unstack.guard import Commands, is_executing, step
from unstack.observations import COMPONENTS, EtcdHost, MasterHost
from unstack.placement import Phase
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.run import Run, etcd_hosts, masters, on_each, refusal
from unstack.scripts import script
from unstack.topology import MASTERS, Topology


@step
def refuse_to_rehearse(run: Run) -> Commands:
    """
    Refuse a cluster that is migrated, or half migrated: its external members may be in use.

    + run: this run
    """
    if host.name == run.lead():
        problems = list(begun(run.topology, known_masters(run), known_etcd_hosts(run)))
        if problems:
            raise refusal(problems)
    host.noop("no migration has begun")
    return
    yield


def begun(
    topology: Topology, observed: Mapping[str, MasterHost], hosts: Mapping[str, EtcdHost]
) -> Iterator[Problem]:
    """What tells that a migration has begun: it is not to be disturbed by a rehearsal."""
    phase = cluster_phase(topology, observed)
    if phase is not Phase.STACKED:
        yield Problem(
            "cluster",
            "an API server on the external etcd",
            "a cluster that is not migrated",
            "nothing is left to rehearse" if phase is Phase.EXTERNAL else "finish the migration by deploy.py",
        )
        return
    for name, one in observed.items():
        if one.is_returning or one.fenced or not set(COMPONENTS) <= set(one.live):
            yield Problem(
                name,
                "a migration or a rollback that was begun and not finished",
                "a whole control plane on the stacked etcd",
                "finish it by deploy.py, or go back by tasks/rollback.py",
            )
    for name, seen in hosts.items():
        if seen.has_data and seen.restored is not None and not seen.restored.is_rehearsal:
            yield Problem(
                name,
                f"data that the run {seen.restored.run} restored for a migration",
                "none: a rehearsal would stop that member",
                "run deploy.py, or move that data away if nobody needs it",
            )


@step
def clear_rehearsal(run: Run) -> Commands:
    """
    Remove what a rehearsal that died has left on this host.

    + run: this run

    Known by its place on a master, by its name and its note on an etcd host. From here on a
    rehearsal that fails removes what it has put there itself.
    """
    if run.rehearses and is_executing():
        run.on_failure = partial(clear_after_failure, run)
    if MASTERS in host.groups:
        is_left = bool(host.get_fact(Directory, path=run.rehearsal_directory))
    else:
        is_left = not is_migrated(run) and known_etcd_hosts(run)[host.name].has_rehearsal
    if is_left:
        yield script(*_removal(host, run))
    else:
        host.noop("no rehearsal has left anything here")


@step
def end_rehearsal(run: Run) -> Commands:
    """
    Remove the member, its data, the snapshot and its copies, and what was put on the masters.

    + run: this run

    An etcd host keeps its image, its compose file and its certificates: they are the migration's own.
    """
    yield script(*_removal(host, run))


def _removal(one: Host, run: Run) -> tuple[str, ...]:
    """The script that removes a rehearsal from a host, and its arguments."""
    if MASTERS in one.groups:
        return "end-rehearsal-master", run.rehearsal_directory
    settings = run.topology.settings
    return (
        "end-rehearsal",
        settings.etcd_data_directory,
        settings.etcd_config_directory,
        settings.etcd_container,
    )


def clear_after_failure(run: Run) -> None:
    """Leave no member and no copy of the data behind, on every host that can be reached. Raises nothing."""

    def attempt(one: Host) -> str | None:
        try:
            run_script(one, *_removal(one, run))
        except Exception as error:
            return str(error)
        return None

    told = [text for text in on_each([*masters(), *etcd_hosts()], attempt).values() if text is not None]
    for text in told:
        logger.error(f"    {text}")
    run.journal.record("rehearsal removed", failed=len(told))
    logger.warning(
        "--> the control plane was not touched;"
        + (
            " what the rehearsal has left is removed by the next one, or by deploy.py"
            if told
            else " all that the rehearsal had put on the hosts is removed"
        )
        + "; to do: mend what failed, then run tasks/rehearse.py again"
    )
