"""The decommission: nothing of the stacked etcd is left on the masters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from pyinfra import host, inventory, logger

from unstack.decommission import (
    Stacked,
    archive_path,
    plan,
    read_stacked,
    remains_problems,
    soak_problems,
)
from unstack.facts.cluster import cluster_phase, known_masters
from unstack.facts.hosts import ObservedRemains
from unstack.facts.whole_cluster import read_cluster
from unstack.guard import Commands, action, step
from unstack.manifest import ManifestError
from unstack.observations import MasterHost, parse_report
from unstack.operations.leftovers import find_leftovers, is_due
from unstack.placement import Phase
from unstack.preflight import judge
from unstack.problems import Problem
from unstack.remains import Remains
from unstack.remote import run_script
from unstack.run import Run, masters, on_each, read, refusal
from unstack.scripts import script
from unstack.topology import Topology

SHOWN = 'nothing is changed: "--data decommission=archive" or "--data decommission=remove" does it'


@step
def examine_remains(run: Run) -> Commands:
    """
    Show what becomes of the stacked etcd's remains, and refuse where anything may still need them.

    + run: this run

    Reads only.
    """
    # By each host: while the plan is made they don't wait for each other.
    run.results["nothing to confirm"] = not is_due(run)
    if host.name != run.lead():
        host.noop(f"all masters are examined from {run.lead()}")
        return
    observed = known_masters(run)
    # First: the marks may be of an earlier life of these hosts.
    if cluster_phase(run.topology, observed) is not Phase.EXTERNAL:
        raise refusal([_not_migrated(run)])
    if all(one.decommissioned for one in observed.values()):
        for name, one in observed.items():
            _tell(run, f"{name}: decommissioned since {_since(one)}. Nothing to do.")
        host.noop("every master was decommissioned before")
        return
    left = {name: one for name, one in observed.items() if one.decommissioned is None}
    stacked, problems = _read_stacked(left)
    remains = on_each(
        [one for one in masters() if one.name in stacked],
        lambda one: _observe(one.name, stacked[one.name], left[one.name], run.topology),
    )
    settings = run.topology.settings
    for name, found in remains.items():
        for line in plan(stacked[name], found, left[name], settings):
            _tell(run, f"{name}: {line}")
        problems += remains_problems(name, left[name], stacked[name], found, settings)
    now = datetime.now(timezone.utc)
    problems += [one for name in left for one in soak_problems(name, left[name], settings, now)]
    problems += judge(read_cluster(run))
    # Only of members that answer can be asked what API servers have left there.
    if not problems:
        leftovers = find_leftovers(run)
        for line in leftovers.lines():
            _tell(run, line)
        problems += leftovers.problems
    if problems:
        raise refusal(sorted(problems))
    if settings.decommission == "show":
        _tell(run, SHOWN)
    host.noop("nothing stands in the way")
    return
    yield


def _not_migrated(run: Run) -> Problem:
    return Problem(
        run.lead(),
        "a cluster that is not migrated",
        "every master on the external etcd",
        "run deploy.py first, and wait until nobody wants to go back",
    )


def _read_stacked(left: Mapping[str, MasterHost]) -> tuple[dict[str, Stacked], list[Problem]]:
    found, problems = {}, []
    for name, one in left.items():
        try:
            found[name] = read_stacked(one.kept)
        except ManifestError as error:
            problems.append(
                Problem(
                    name,
                    f"{error}, among the kept manifests",
                    "those that tell where the stacked etcd kept its data and certificates",
                    "remove what is left by hand",
                )
            )
    return found, problems


def _observe(name: str, stacked: Stacked, one: MasterHost, topology: Topology) -> Remains:
    return read(
        [inventory.get_host(name)],
        ObservedRemains,
        manifests_directory=topology.settings.manifests_directory,
        data_directory=stacked.data_directory,
        member=stacked.name,
        peer_url=stacked.peer_url,
        archive=archive_path(one, topology.settings),
        files=stacked.files,
    )[name]


def _since(one: MasterHost) -> str:
    return "" if one.decommissioned is None else f"{one.decommissioned.at:%Y-%m-%d %H:%M:%S} UTC"


def _tell(run: Run, line: str) -> None:
    """pyinfra calls an operation while planning and again while executing; a line is told once."""
    told: set[str] = run.cache.setdefault("told by decommission", set())
    if line not in told:
        logger.info(f"    {line}")
    told.add(line)


@step
def archive_remains(run: Run) -> Commands:
    """
    Put the stacked etcd's data, certificates and CA into one archive, and compare it with them.

    + run: this run

    An archive that an earlier run made of the same is compared once more, and kept.
    """
    one = known_masters(run)[host.name]
    settings = run.topology.settings
    if settings.decommission != "archive" or one.decommissioned or one.decommissioning:
        host.noop("nothing is to be archived")
        return
    name, path = host.name, archive_path(one, settings)

    def archive() -> None:
        stacked = read_stacked(one.kept)
        arguments = (stacked.data_directory, stacked.name, path, *stacked.files)
        report = parse_report(run_script(inventory.get_host(name), "archive-remains", *arguments))
        sha256, size = report["sha256"][0], int(report["bytes"][0])
        run.journal.record("archive", host=name, path=path, sha256=sha256, bytes=size)
        logger.info(f"    {name}: {path}, {size:,} bytes, sha256 {sha256}")

    yield action(archive)


@step
def remove_remains(run: Run) -> Commands:
    """
    Remove the stacked etcd's data, its certificates and keys, and with `decommission_ca` its CA.

    + run: this run

    From here on there is no way back.
    """
    one = known_masters(run)[host.name]
    settings = run.topology.settings
    if settings.decommission == "show" or one.decommissioned:
        host.noop("nothing is to be removed")
        return
    name = host.name

    def remove() -> None:
        run.results["decommissioned"] = True  # for the report
        stacked = read_stacked(one.kept)
        arguments = (settings.kept_directory, run.id, stacked.data_directory, stacked.name)
        run_script(inventory.get_host(name), "remove-remains", *arguments, *stacked.removable(settings))

    yield action(remove)


@step
def mark_decommissioned(run: Run) -> Commands:
    """
    Note on the master that nothing of the stacked etcd is left.

    + run: this run
    """
    settings = run.topology.settings
    if settings.decommission == "show" or known_masters(run)[host.name].decommissioned:
        host.noop("nothing is to be noted")
        return
    yield script("end-decommission", settings.kept_directory, run.id)
