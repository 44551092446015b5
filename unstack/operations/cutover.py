"""The cutover: every master's control plane starts on the external cluster."""

from __future__ import annotations

import hashlib
import time

from pyinfra import host
from pyinfra.api.exceptions import OperationError

from unstack.api_access import ApiAccess, api_access
from unstack.facts.cluster import (
    forget_masters,
    is_migrated,
    known_masters,
    observe_master,
    placed,
    stacked_name,
)
from unstack.guard import Commands, is_executing, step
from unstack.manifest import ApiServerManifest
from unstack.observations import COMPONENTS, MasterHost
from unstack.operations.live import refuse_joined
from unstack.operations.prepare import new_manifest
from unstack.placement import Placed, Placement, restores_begun, runs_on_external
from unstack.run import Run, refusal
from unstack.scripts import script
from unstack.topology import Topology


@step
def cut_over(run: Run) -> Commands:
    """
    Put the new kube-apiserver manifest in place, by rename.

    + run: this run

    The old kube-apiserver manifest stays in the kept directory.
    """
    topology = run.topology
    # Unchanged since the fence: these manifests were read then, and no second time in the outage.
    observed = known_masters(run)[host.name]
    here = placed(host.name, observed, topology)
    leftover = "kube-apiserver" in observed.fenced
    if here.placement is Placement.EXTERNAL and "kube-apiserver" in observed.live and not leftover:
        host.noop("this master is on the external etcd already")
        return
    if is_executing():
        run.results.setdefault("cutover_started", time.time())
    yield script("cutover", *cutover_arguments(here, topology))
    if here.placement is not Placement.EXTERNAL:
        run.note_change(host.name, "kube-apiserver.yaml", here.text, observed.prepared or here.text)


@step
def check_prepared(run: Run) -> Commands:
    """
    Refuse a manifest that was edited after its successor was made from it, before any is put in place.

    + run: this run
    """
    if is_executing():
        refuse_joined(run)
    topology = run.topology
    observed = known_masters(run)[host.name]
    if problems := restores_begun({host.name: observed}):
        raise refusal(problems)
    if is_executing():
        refuse_edited(host.name, observed, placed(host.name, observed, topology), topology)
    host.noop("the new manifest is made from the old one as it is")
    return
    yield


def refuse_edited(name: str, observed: MasterHost, here: Placed, topology: Topology) -> None:
    """Raises OperationError where a master's new manifest is not the one to be made from its old one."""
    if observed.is_returning:
        raise OperationError(
            f"{name}: found a rollback that was begun and not finished; expected none; to do: run"
            " tasks/rollback.py, which finishes it"
        )
    if here.placement is not Placement.EXTERNAL and observed.prepared != new_manifest(here, topology):
        raise OperationError(
            f"{name}: found kube-apiserver.yaml changed after its successor was made from"
            " it; expected no edit during the migration; to do: run tasks/prepare.py, then"
            " deploy.py again"
        )


def cutover_arguments(here: Placed, topology: Topology) -> tuple[str, ...]:
    """The arguments of cutover.sh for a master that stands like this."""
    return (
        topology.settings.manifests_directory,
        topology.settings.kept_directory,
        here.placement.value,
        hashlib.sha256(here.text.encode()).hexdigest(),
    )


def await_arguments(manifest: ApiServerManifest, seconds: float) -> tuple[str, ...]:
    """The arguments of await-apiserver.sh: until the API server runs as this manifest says."""
    access = api_access(manifest)
    servers = ",".join(manifest.etcd_servers)
    return (servers, access.url, access.ca, access.certificate, access.key, str(int(seconds)))


def controllers_arguments(topology: Topology) -> tuple[str, ...]:
    """The arguments of start-controllers.sh."""
    settings = topology.settings
    return (
        settings.manifests_directory,
        settings.kept_directory,
        str(int(settings.ready_timeout_seconds)),
    )


@step
def await_api_server(run: Run) -> Commands:
    """
    Wait until this master's API server runs with the external endpoints and is ready.

    + run: this run

    Asked by the master's own address: behind a load balancer another one might answer.
    """
    topology = run.topology
    forget_masters(run)
    observed = observe_master(host, topology)
    if runs_on_external(observed, topology) and "etcd" not in observed.live:
        host.noop("the API server runs on the external etcd")
        return
    # While the plan is made the manifest is still the old one.
    here = placed(host.name, observed, topology)
    yield script("await-apiserver", *await_arguments(here.manifest, topology.settings.ready_timeout_seconds))
    run.note_api_server(host.name, "ready")


@step
def start_controllers(run: Run) -> Commands:
    """
    Put the manifests of controller-manager and scheduler back, and wait for their processes.

    + run: this run

    After the API server: without one they fail, and kubelet then lets them wait ever longer
    (docs/decisions.md); and their start would take the processor from the API server's.
    """
    observed = observe_master(host, run.topology)
    if all(observed.live.get(name) and observed.running(name) for name in COMPONENTS[1:]) and (
        is_executing() or is_migrated(run)
    ):
        host.noop("controller-manager and scheduler run")
        return
    yield script("start-controllers", *controllers_arguments(run.topology))


def access_of(name: str, observed: MasterHost, topology: Topology) -> ApiAccess:
    """How this master's own API server is reached from the master itself."""
    return api_access(placed(name, observed, topology).manifest)


@step
def retire_stacked_member(run: Run) -> Commands:
    """
    Stop the stacked etcd: its manifest is kept aside, its data directory stays as it is.

    + run: this run

    Only after the control plane is proven to run on the external cluster.
    """
    settings = run.topology.settings
    observed = observe_master(host, run.topology)
    if "etcd" not in observed.live:
        host.noop("no stacked etcd is left here")
        return
    name = stacked_name(host.name, observed)
    yield script("keep-restore-tool", settings.kept_directory, name)
    yield script(
        "retire",
        settings.manifests_directory,
        settings.kept_directory,
        name,
        str(int(settings.fence_timeout_seconds)),
    )
