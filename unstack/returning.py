"""An API server goes back to its stacked member while both kinds of members are one cluster."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pyinfra import inventory
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.cluster import observe_master, placed
from unstack.manifest import ManifestError, read_apiserver, with_kept_etcd
from unstack.observations import MasterHost
from unstack.operations.cutover import await_arguments
from unstack.placement import Placement
from unstack.remote import run_script
from unstack.run import Run
from unstack.trust import sha256_of

# An API server that is ready says so at once.
ANSWER_SECONDS = 3.0


def is_switched(name: str, observed: MasterHost, run: Run) -> bool:
    """True where a master's manifest names the external members."""
    return placed(name, observed, run.topology).placement is Placement.EXTERNAL


def unready(run: Run, names: Iterable[str]) -> list[str]:
    """Those of these masters whose API servers serve nobody: they go back first.

    Else a second one would be away meanwhile.
    """
    return [name for name in names if not _is_ready(run, inventory.get_host(name))]


def _is_ready(run: Run, one: Host) -> bool:
    try:
        manifest = placed(one.name, observe_master(one, run.topology), run.topology).manifest
        run_script(one, "await-apiserver", *await_arguments(manifest, ANSWER_SECONDS))
    except OperationError:
        return False
    return True


def return_api_server(run: Run, one: Host, seconds: float) -> None:
    """Put the manifest of the stacked etcd back, what was edited since kept, and wait until it serves.

    + seconds: how long it may take to be ready

    Raises OperationError where it can't be made, or its API server does not write to etcd.
    """
    topology, settings = run.topology, run.topology.settings
    observed = observe_master(one, topology)
    here = placed(one.name, observed, topology)
    if here.placement is Placement.EXTERNAL:
        if "kube-apiserver" not in observed.kept:
            raise OperationError(
                f"{one.name}: found no old kube-apiserver.yaml; expected the one kept by the switch; to do:"
                f" look into {settings.kept_directory} on that master"
            )
        try:
            text = with_kept_etcd(here.text, observed.kept["kube-apiserver"])
            manifest = read_apiserver(text)
        except ManifestError as error:
            raise OperationError(f"{one.name}: {error}") from None
        run.note_api_server(one.name, "starting anew" if len(topology.masters) > 1 else "taken away")
        places = (settings.manifests_directory, settings.kept_directory)
        run_script(one, "switch-back", *places, sha256_of(here.text), stdin=text)
        run.note_change(one.name, "kube-apiserver.yaml", here.text, text)
    else:
        manifest = here.manifest
    arguments = await_arguments(manifest, seconds)
    run_script(one, "await-apiserver", *arguments)
    run.note_api_server(one.name, "ready")
    run_script(one, "api-write", *arguments[1:5], f"unstack-{run.id.lower()}-{one.name.lower()}")
    time.sleep(settings.load_balancer_seconds)
