"""The API servers change over to the external members, one by one, while the others serve."""

from __future__ import annotations

import hashlib
import time

from pyinfra import host, inventory, logger

from unstack.facts.cluster import forget_masters, observe_master, placed
from unstack.guard import Commands, action, is_executing, step
from unstack.live import LiveCluster
from unstack.live_recovery import mend_failures
from unstack.operations.confirm import write_and_read
from unstack.operations.cutover import await_arguments, refuse_edited
from unstack.operations.live import await_well, note_progress, tell_quorum
from unstack.operations.restart import ANSWER_SECONDS, await_api_servers
from unstack.placement import Placement, runs_on_external
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.run import Run, refusal
from unstack.scripts import script


@step
def switch_api_server(run: Run, name: str) -> Commands:
    """
    Have one API server use the external members. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    All voters are healthy and all API servers are ready before. kubelet ends the old one by a signal: it
    answers what is under way, and the load balancer sees that it is not ready. The new one is proven to
    write to the cluster, and the load balancer has time to see it, before the next one's turn.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    mend_failures(run)
    topology, settings = run.topology, run.topology.settings
    observed = observe_master(host, topology)
    here = placed(name, observed, topology)
    if here.placement is Placement.EXTERNAL and runs_on_external(observed, topology):
        if is_executing():  # a run that was killed may have started it just now
            ready = await_arguments(here.manifest, settings.ready_timeout_seconds)
            run_script(inventory.get_host(name), "await-apiserver", *ready)
        host.noop("this API server uses the external members")
        return
    alone = len(topology.masters) == 1
    if is_executing():
        cluster = _ready_to_switch(run)
        if here.placement is not Placement.EXTERNAL:
            refuse_edited(name, observed, here, topology)
            await_api_servers(run, ANSWER_SECONDS)
        tell_quorum(run, f"the API server of {name} is about to be switched", cluster)
        if alone:
            logger.warning("    one master: the API is away while its API server starts anew")
        note_progress(run)
        run.note_api_server(name, "taken away" if alone else "starting anew")
    forget_masters(run)
    if here.placement is not Placement.EXTERNAL:
        yield script(
            "switch-apiserver",
            settings.manifests_directory,
            settings.kept_directory,
            hashlib.sha256(here.text.encode()).hexdigest(),
        )
        run.note_change(name, "kube-apiserver.yaml", here.text, observed.prepared or here.text)
    # Read now: whoever edits it meanwhile has kubelet start the API server by the new one.
    manifest = placed(name, observe_master(host, topology), topology).manifest
    yield script("await-apiserver", *await_arguments(manifest, settings.ready_timeout_seconds))
    run.note_api_server(name, "ready")
    one = inventory.get_host(name)
    yield action(lambda: write_and_read(run, one))
    time.sleep(settings.load_balancer_seconds)


def _ready_to_switch(run: Run) -> LiveCluster:
    """The cluster. Raises OperationError unless every external member votes and every voter is healthy."""
    cluster = await_well(run)
    if not cluster.all_external_vote:
        raise refusal(
            [
                Problem(
                    "cluster",
                    f"the voting members {', '.join(one.name or '?' for one in cluster.membership.voters)}",
                    "every external member of the inventory among them",
                    "run tasks/grow.py",
                )
            ],
            "No API server was switched.",
        )
    return cluster
