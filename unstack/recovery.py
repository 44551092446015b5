"""What a run leaves behind when it fails after the fence: a whole control plane, old or new.

The old one, as long as the external cluster has acknowledged no write: nothing is lost by going
back. The new one from then on: going back would lose what was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from pyinfra import inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.cluster import master_arguments, placed, snapshot_taken
from unstack.facts.hosts import ObservedMaster
from unstack.manifest import ApiServerManifest, read_apiserver
from unstack.members import tells_writes
from unstack.observations import COMPONENTS, MasterHost, parse_report
from unstack.operations.cutover import (
    await_arguments,
    controllers_arguments,
    cutover_arguments,
    refuse_edited,
)
from unstack.placement import Placement
from unstack.remote import run_script
from unstack.run import Run, etcd_hosts, masters, on_each

# Long enough for an API server that can start; one that can't must not hold the others up.
READY_SECONDS = 60.0


def after_failure(run: Run) -> None:
    """Leave a whole control plane behind, and say which and what is left to do. Raises nothing."""
    try:
        _after_failure(run)
    except Exception as error:
        logger.error(f"    {error}")
        advise("the control plane could not be made whole", "mend that, then run deploy.py again")


def _after_failure(run: Run) -> None:
    observed, silent = reachable_masters(run)
    if "returning" in run.results or any(one.is_returning for one in observed.values()):
        return _finish_rollback(run, observed, silent)
    external = [name for name, one in observed.items() if _placement(name, one, run) is Placement.EXTERNAL]
    if not external and all(set(COMPONENTS) <= set(one.live) for one in observed.values()):
        return None  # the fence had not begun to close, or nothing was behind it
    unsure = [name for name in silent if may_write(name, run)]
    if unsure and not external and not _external_answers(run):
        raise OperationError(
            f"{', '.join(unsure)}: found no answer, of the external members neither; expected one of"
            " both, since that master may have written to them; to do: bring either back, then run"
            " deploy.py again. Every other master stays as it is"
        )
    if unsure or "external is in use" in run.results or (external and has_writes(run, observed)):
        return _forward(run, observed, silent)
    settings = run.topology.settings
    places = (settings.manifests_directory, settings.kept_directory)
    timeout = str(int(settings.fence_timeout_seconds))
    for name in external:
        run.note_api_server(name, "taken away")
    failed = on_hosts(external, lambda one: run_script(one, "withdraw", *places, timeout))
    # Where none of their API servers runs any more, this answer is the last. And before the first
    # stacked one starts, every master has its old manifest: a kill in between leaves all fenced.
    if not failed and external and not has_writes(run, observed):
        failed = on_hosts(external, lambda one: run_script(one, "take-old", places[1]))
    elif external:
        failed = set(external)
    if failed:
        now = on_each(masters(), lambda h: _observe(h, run))
        return _forward(run, {name: one for name, one in now.items() if one}, silent)
    return bring_back(run, observed, silent)


def reachable_masters(run: Run) -> tuple[dict[str, MasterHost], list[str]]:
    """(the masters that answer, as they stand now; the names of those that don't)."""
    observed = {name: one for name, one in on_each(masters(), lambda h: _observe(h, run)).items() if one}
    return observed, sorted({one.name for one in run.topology.masters} - set(observed))


def may_write(name: str, run: Run) -> bool:
    """A master that can't be asked and whose API server may be on the external cluster."""
    at_first: Mapping[str, MasterHost] = run.cache.get("masters at first", {})
    return (
        "cutover_started" in run.results
        or name not in at_first
        or _placement(name, at_first[name], run) is Placement.EXTERNAL
    )


def _external_answers(run: Run) -> bool:
    """True where any external member serves with a quorum."""
    for one in etcd_hosts():
        try:
            run_script(one, "observe-revision", one.name)
        except OperationError:
            continue
        return True
    return False


def has_writes(run: Run, observed: Mapping[str, MasterHost]) -> bool:
    """True where the external cluster was given anything since the snapshot, or can't be asked.

    What runs out by itself does not count: restored leases of API servers, which nobody renews.
    """
    try:
        _, snapshot = snapshot_taken(observed)
    except OperationError:
        return True
    for one in etcd_hosts():
        try:
            return tells_writes(run_script(one, "observe-writes", one.name, str(snapshot.revision)))
        except OperationError:
            continue
    return True


def bring_back(run: Run, observed: Mapping[str, MasterHost], silent: Sequence[str] = ()) -> None:
    """The old control plane: old manifests in place, each API server proven to write to its etcd.

    + observed: the masters that can be reached
    + silent: those that can't

    Nothing may have been written to the external cluster. What fails on a host is told.
    """
    logger.info("    bringing the old control plane back: the external cluster was given nothing")
    settings = run.topology.settings
    places = (settings.manifests_directory, settings.kept_directory)
    ready: dict[str, float] = {}

    def one_back(one: Host) -> None:
        run_script(one, "bring-back", *places)
        manifest, ready[one.name] = _await_control_plane(one, run)
        arguments = await_arguments(manifest, READY_SECONDS)[1:5]
        run_script(one, "api-write", *arguments, f"unstack-{run.id.lower()}-{one.name.lower()}")

    failed = on_hosts(observed, one_back)
    aside = (settings.etcd_data_directory, settings.etcd_config_directory, settings.etcd_container)
    on_hosts((one.name for one in etcd_hosts()), lambda one: run_script(one, "set-aside", *aside, run.id))
    whole = [name for name in ready if name not in failed]
    # The longest it can be: an API server that the fence never stopped has served on.
    fenced = run.results.get("fence_started")
    away = round(min(ready.values()) - fenced, 1) if ready and fenced else None
    run.journal.record("way back", to="stacked", masters=whole, missing=silent, away_seconds=away)
    told = f" the API was away for at most {away} s;" if away is not None else ""
    if whole:
        advise(
            f"the old control plane is back on {', '.join(whole)}; each API server wrote to the stacked"
            f" etcd;{told} nothing was lost",
            "mend what failed, then run deploy.py again",
        )
    else:
        advise(
            f"no API server could be brought back on {', '.join(observed) or 'any master'}",
            "mend what is told above; tasks/rollback.py tries again",
        )
    _name_silent(silent)


def _forward(run: Run, observed: Mapping[str, MasterHost], silent: Sequence[str]) -> None:
    """The new control plane on every master that can run it."""
    logger.info(
        "    going on with the new control plane: the external cluster holds writes, or may hold them"
    )
    start_external(
        run,
        observed,
        silent,
        "; going back by itself would lose what was written there",
        "mend what failed, then run deploy.py again, or tasks/rollback.py to go back with all writes",
    )
    _name_silent(silent)


def start_external(
    run: Run, observed: Mapping[str, MasterHost], silent: Sequence[str], told: str, to_do: str
) -> bool:
    """The control plane on the external etcd on every master that can run it; True where that is all.

    + observed: the masters that can be reached
    + silent: those that can't
    + told: what is said besides of where it runs
    + to_do: what the operator is told to do
    """
    ready: list[str] = []

    def carry_on(one: Host) -> None:
        here = placed(one.name, observed[one.name], run.topology)
        if here.placement is not Placement.EXTERNAL or "kube-apiserver" not in observed[one.name].live:
            refuse_edited(one.name, observed[one.name], here, run.topology)
            run_script(one, "cutover", *cutover_arguments(here, run.topology))
            if here.placement is not Placement.EXTERNAL:
                new = observed[one.name].prepared or here.text
                run.note_change(one.name, "kube-apiserver.yaml", here.text, new)
        _await_control_plane(one, run)
        ready.append(one.name)

    on_hosts(observed, carry_on)
    run.journal.record("way back", to="external", masters=ready, missing=silent)
    on = ", ".join(sorted(ready)) or "no master"
    advise(f"the control plane runs on the external etcd on {on}{told}", to_do)
    return len(ready) == len(run.topology.masters)


def _finish_rollback(run: Run, observed: Mapping[str, MasterHost], silent: Sequence[str]) -> None:
    """The old control plane on every master that can run it: it may hold acknowledged writes already."""
    settings = run.topology.settings
    places = (settings.manifests_directory, settings.kept_directory)
    ready: list[str] = []

    def carry_on(one: Host) -> None:
        run_script(one, "return", *places)
        _await_control_plane(one, run)
        ready.append(one.name)

    on_hosts(observed, carry_on)
    run.journal.record("way back", to="stacked", masters=ready, missing=silent)
    advise(
        f"the control plane runs on the stacked etcd on {', '.join(sorted(ready)) or 'no master'}",
        "mend what failed, then run tasks/rollback.py again",
    )
    _name_silent(silent)


def _await_control_plane(one: Host, run: Run) -> tuple[ApiServerManifest, float]:
    """Wait until all three components run on a host; its API server's manifest, and when that was ready."""
    manifest = _live_manifest(one, run)
    run_script(one, "await-apiserver", *await_arguments(manifest, READY_SECONDS))
    run.note_api_server(one.name, "ready")
    ready = time.time()
    run_script(one, "start-controllers", *controllers_arguments(run.topology))
    return manifest, ready


def _live_manifest(one: Host, run: Run) -> ApiServerManifest:
    path = f"{run.topology.settings.manifests_directory}/kube-apiserver.yaml"
    report = parse_report(run_script(one, "observe-file", path))
    return read_apiserver(report.get("file", ("",))[0])


def _observe(one: Host, run: Run) -> MasterHost | None:
    found: MasterHost | None = one.get_fact(
        ObservedMaster, **master_arguments(run.topology), _ignore_errors=True
    )
    return found


def _placement(name: str, observed: MasterHost, run: Run) -> Placement:
    return placed(name, observed, run.topology).placement


def on_hosts(names: Iterable[str], work: Callable[[Host], object]) -> set[str]:
    """`work` on these hosts at once; whose fails is told and returned, and hinders no other."""
    failed = set()

    def attempt(one: Host) -> None:
        try:
            work(one)
        except Exception as error:
            failed.add(one.name)
            logger.error(f"    {error}")

    on_each([inventory.get_host(name) for name in names], attempt)
    return failed


def _name_silent(silent: Iterable[str]) -> None:
    for name in silent:
        advise(f"{name} could not be reached", f"look at {name}; then run deploy.py again")


def advise(found: str, action: str) -> None:
    """Tell the operator what stands now, and what to do."""
    logger.warning(f"--> {found}; to do: {action}")
