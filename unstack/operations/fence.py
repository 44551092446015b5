"""The fence: no API server can write to the stacked etcd any more."""

from __future__ import annotations

import time
from functools import partial

from pyinfra import host

from unstack.facts.cluster import forget_masters, known_masters, observe_master, placed
from unstack.guard import Commands, is_executing, step
from unstack.observations import COMPONENTS
from unstack.operations.live import refuse_joined
from unstack.placement import Placement
from unstack.recovery import after_failure
from unstack.run import Run
from unstack.scripts import script


@step
def fence_master(run: Run) -> Commands:
    """
    Take the API server, controller-manager and scheduler of a master away; etcd stays.

    + run: this run

    Proven by the processes' absence on the host. A master that was already cut over is left alone.
    """
    topology = run.topology
    if is_executing():
        refuse_joined(run)  # before there is anything to mend: that way back would stop those members
        run.results.setdefault("fence_started", time.time())
        # From here on a failure must not leave the cluster without a control plane.
        run.on_failure = partial(after_failure, run)
        if "masters at first" not in run.cache:
            known_masters(run)  # all of them, for the way back: one may be silent by then
    forget_masters(run)
    observed = observe_master(host, topology)
    if placed(host.name, observed, topology).placement is Placement.EXTERNAL:
        host.noop("this master is on the external etcd already")
        return
    if not any(observed.live.get(name) or observed.running(name) for name in COMPONENTS):
        host.noop("this master is fenced already")
        return
    settings = topology.settings
    run.note_api_server(host.name, "taken away")
    yield script(
        "fence",
        settings.manifests_directory,
        settings.kept_directory,
        str(int(settings.fence_timeout_seconds)),
    )
