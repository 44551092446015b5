"""The way back: the control plane on the stacked etcd again, with everything that was written since."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError

from unstack import stacked_certificates
from unstack.decommission import withdrawn
from unstack.departure import return_problems
from unstack.facts.cluster import (
    external_members,
    forget_masters,
    known_masters,
    observe_master,
    placed,
)
from unstack.facts.hosts import ObservedCertificates
from unstack.facts.membership import observe_live
from unstack.guard import Commands, action, is_executing, step
from unstack.manifest import ManifestError, with_kept_etcd
from unstack.observations import MasterHost
from unstack.operations.cutover import await_arguments, controllers_arguments
from unstack.operations.pki import KEY_MODE, put_file
from unstack.operations.way_back import Way, way_of
from unstack.placement import Placement, restores_begun, split
from unstack.problems import Problem
from unstack.recovery import after_failure, bring_back
from unstack.run import Run, read, refusal
from unstack.scripts import script

MEND = "look into the kept directory on that master; without it there is no way back by this tool"


@step
def find_way_back(run: Run) -> Commands:
    """
    Find out how far back it is, and refuse where something that is needed is missing.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"the way back is found from {run.lead()}")
        return
    way = way_of(run)
    problems = restores_begun(known_masters(run))
    if way is Way.LIVE:
        problems += return_problems(observe_live(run))
        problems += _all_missing(run)
    else:
        try:
            problems += split(known_masters(run), run.topology)
        except ManifestError as error:
            raise OperationError(f"{host.name}: {error}") from None
    if problems:
        raise refusal(problems)
    if is_executing():
        run.results["nothing to confirm"] = way is Way.NONE
        logger.info(f"    {way.value}")
    if way is Way.DATA:
        problems = [
            problem
            for name, one in known_masters(run).items()
            if placed(name, one, run.topology).placement is Placement.EXTERNAL
            for problem in withdrawn(name, one)
        ]
        if problems:
            raise refusal(problems)
        problems = (
            _all_missing(run)
            + [problem for name, one in known_masters(run).items() for problem in _outlived(run, name, one)]
            + [
                Problem(name, "an unhealthy external member", "a healthy one: its data goes back", "mend it")
                for name, status in external_members(run.topology).items()
                if not status.is_healthy
            ]
        )
        if problems:
            raise refusal(problems)
    host.noop(way.value)
    return
    yield


def _all_missing(run: Run) -> list[Problem]:
    observed = known_masters(run)
    # A master whose stacked etcd was dead when it left gets the tool of another one.
    has_tool = any(one.has_restore_tool or "etcd" in one.live for one in observed.values())
    return [
        problem
        for name, one in observed.items()
        for problem in _missing(name, one, placed(name, one, run.topology).placement, has_tool)
    ]


def _missing(name: str, one: MasterHost, placement: Placement, has_tool: bool) -> list[Problem]:
    problems = []
    # A master that was never cut over has its old manifest still.
    if placement is Placement.EXTERNAL and "kube-apiserver" not in one.kept:
        problems.append(Problem(name, "no old kube-apiserver.yaml", "the one kept by the cutover", MEND))
    if "etcd" not in one.kept and "etcd" not in one.live:
        problems.append(Problem(name, "no etcd.yaml", "the one kept by the confirmation", MEND))
    if not has_tool:
        problems.append(Problem(name, "no etcdutl", "the one kept when the stacked etcd left", MEND))
    return problems


def _outlived(run: Run, name: str, one: MasterHost) -> Iterator[Problem]:
    try:
        wanted = stacked_certificates.paths({**one.live, **one.kept})
    except ManifestError as error:
        raise OperationError(f"{name}: {error}") from None
    ends = read([inventory.get_host(name)], ObservedCertificates, paths=wanted)[name]
    days = run.topology.settings.minimum_certificate_days
    return stacked_certificates.problems(name, wanted, ends, datetime.now(timezone.utc), days)


@step
def go_back_at_once(run: Run) -> Commands:
    """
    Put the old manifests back where the external cluster was never in use.

    + run: this run
    """
    if host.name != run.lead() or way_of(run) is not Way.MANIFESTS:
        host.noop("not this way")
        return
    yield action(lambda: bring_back(run, known_masters(run)))


@step
def fence_external(run: Run) -> Commands:
    """
    Take the API server, controller-manager and scheduler away: nobody writes to the external cluster.

    + run: this run
    """
    if way_of(run) is not Way.DATA:
        host.noop("not this way")
        return
    if is_executing():
        run.results.setdefault("fence_started", time.time())
        run.results["external is in use"] = True
        run.on_failure = partial(after_failure, run)
    forget_masters(run)
    settings = run.topology.settings
    run.note_api_server(host.name, "taken away")
    yield script(
        "fence",
        settings.manifests_directory,
        settings.kept_directory,
        str(int(settings.fence_timeout_seconds)),
    )


@step
def prepare_return(run: Run) -> Commands:
    """
    Make the manifest that names the stacked etcd again; what was edited in it since is kept.

    + run: this run
    """
    if way_of(run) is not Way.DATA:
        host.noop("not this way")
        return
    one = known_masters(run)[host.name]
    here = placed(host.name, one, run.topology)
    if here.placement is not Placement.EXTERNAL:
        text = here.text  # a master that was never cut over
    else:
        try:
            text = with_kept_etcd(here.text, one.kept["kube-apiserver"])
        except ManifestError as error:
            raise OperationError(f"{host.name}: {error}") from None
    run.cache[f"return {host.name}"] = (here.text, text)
    yield from put_file(
        f"{run.topology.settings.kept_directory}/prepared/kube-apiserver.yaml", text, KEY_MODE
    )


@step
def mark_return(run: Run) -> Commands:
    """
    Mark every master before the first of them returns: no migration may go on from here.

    + run: this run
    """
    # Also where a rollback is finished: it may have died after it had marked only some.
    if way_of(run) not in (Way.DATA, Way.FINISH):
        host.noop("not this way")
        return
    yield script("begin-return", run.topology.settings.kept_directory, run.id)


@step
def return_api_server(run: Run) -> Commands:
    """
    Put the manifest that names the stacked etcd in place, and wait until its API server is ready.

    + run: this run
    """
    if way_of(run) not in (Way.DATA, Way.FINISH):
        host.noop("not this way")
        return
    settings = run.topology.settings
    if is_executing():
        run.results.setdefault("cutover_started", time.time())
        run.results["returning"] = True
        run.on_failure = partial(after_failure, run)
    yield script("return", settings.manifests_directory, settings.kept_directory)
    if f"return {host.name}" in run.cache:  # not where a rollback that died is finished
        run.note_change(host.name, "kube-apiserver.yaml", *run.cache[f"return {host.name}"])
    # This host alone: the others are under way between two manifests.
    manifest = placed(host.name, observe_master(host, run.topology), run.topology).manifest
    yield script("await-apiserver", *await_arguments(manifest, settings.ready_timeout_seconds))
    run.note_api_server(host.name, "ready")


@step
def return_controllers(run: Run) -> Commands:
    """
    Put the manifests of controller-manager and scheduler back, and wait for their processes.

    + run: this run
    """
    if way_of(run) not in (Way.DATA, Way.FINISH):
        host.noop("not this way")
        return
    yield script("start-controllers", *controllers_arguments(run.topology))


@step
def rest_external(run: Run) -> Commands:
    """
    Stop the external member; its data is kept aside.

    + run: this run
    """
    if way_of(run) not in (Way.DATA, Way.FINISH):
        host.noop("not this way")
        return
    settings = run.topology.settings
    yield script(
        "set-aside",
        settings.etcd_data_directory,
        settings.etcd_config_directory,
        settings.etcd_container,
        run.id,
    )


@step
def end_return(run: Run) -> Commands:
    """
    Take the mark away: the rollback is done, and a migration may begin anew.

    + run: this run
    """
    if way_of(run) not in (Way.DATA, Way.FINISH, Way.LIVE):
        host.noop("not this way")
        return
    yield script("end-return", run.topology.settings.kept_directory, run.id)
    run.on_failure = None
