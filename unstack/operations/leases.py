"""The leases of controllers that no longer run, let go so that their successors need not wait."""

from __future__ import annotations

import json

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError

from unstack.facts.api import ApiObject
from unstack.facts.cluster import observe_masters
from unstack.guard import Commands, is_executing, step
from unstack.heartbeats import held_leases
from unstack.observations import COMPONENTS
from unstack.operations.cutover import access_of
from unstack.remote import run_script
from unstack.run import Run, read

KUBE_SYSTEM_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@step
def release_leases(run: Run) -> Commands:
    """
    Let go of the leases of controller-manager and scheduler while none of them runs on any master.

    + run: this run

    They were stopped by the fence and can't do it themselves; a successor would wait until the lease
    has run out, 15 s after it first saw it (client-go, tools/leaderelection). An empty holder is what
    client-go itself writes when it lets go (its ReleaseOnCancel).
    """
    if host.name == run.lead() and is_executing() and "cutover_started" in run.results:
        try:
            _release(run)
        # Waiting is all that comes of it: no reason to stop a cutover.
        except OperationError as error:
            logger.warning(f"    the new controllers wait until their predecessors' leases run out: {error}")
    host.noop("the leases are free, or held by who runs")
    return
    yield


def _release(run: Run) -> None:
    observed = observe_masters(run.topology)
    if any(one.running(name) for one in observed.values() for name in COMPONENTS[1:]):
        return
    access = access_of(host.name, observed[host.name], run.topology)
    leases = read([inventory.get_host(host.name)], ApiObject, access=access, path=KUBE_SYSTEM_LEASES)
    credentials = (access.url, access.ca, access.certificate, access.key)
    for name, version in held_leases(leases[host.name]):
        # With the version that was read: a holder that is alive after all has renewed it by then.
        patch = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": ""}}
        run_script(
            inventory.get_host(host.name),
            "api-patch",
            *credentials,
            f"{KUBE_SYSTEM_LEASES}/{name}",
            stdin=json.dumps(patch),
        )
