"""The fence: no API server can write to the stacked etcd any more."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from unstack.facts.cluster import forget_masters, observe_master, placed
from unstack.observations import COMPONENTS
from unstack.placement import Placement
from unstack.run import Run
from unstack.scripts import script


@operation()
def fence_master(run: Run) -> Generator[StringCommand]:
    """
    Take the API server, controller-manager and scheduler of a master away; etcd stays.

    + run: this run

    Proven by the processes' absence on the host. A master that was already cut over is left alone.
    """
    topology = run.topology
    forget_masters(run)
    observed = observe_master(host, topology)
    if placed(host.name, observed, topology).placement is Placement.EXTERNAL:
        host.noop("this master is on the external etcd already")
        return
    if not any(observed.live.get(name) or observed.running(name) for name in COMPONENTS):
        host.noop("this master is fenced already")
        return
    settings = topology.settings
    yield script(
        "fence",
        settings.manifests_directory,
        settings.kept_directory,
        str(int(settings.fence_timeout_seconds)),
    )
