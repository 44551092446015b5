"""The external members alone: each is started once more, as it will be from now on."""

from __future__ import annotations

import time

from pyinfra import host
from pyinfra.api.exceptions import OperationError

from unstack.compose import knows_external_alone, render_compose
from unstack.facts.cluster import known_masters
from unstack.facts.hosts import ContainerCommand
from unstack.facts.membership import observe_live
from unstack.guard import Commands, is_executing, step
from unstack.live import LiveCluster
from unstack.live_recovery import mend_failures
from unstack.operations.live import await_well, compare_voters, note_progress, tell_quorum
from unstack.operations.pki import KEY_MODE, put_file
from unstack.operations.restart import RECONNECT_SECONDS, hand_over
from unstack.operations.start import compose_words, start_arguments
from unstack.problems import Problem
from unstack.proof import Proof
from unstack.run import TEMPLATES, Run, read, refusal
from unstack.scripts import script


@step
def settle_member(run: Run, name: str) -> Commands:
    """
    Make one member's container anew from its ordinary compose file. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    As it joined it was told of the stacked members, which are gone; and it is seen to come back from a
    restart. All members are healthy before and after; a leader hands its lead over first.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    mend_failures(run)
    topology, settings = run.topology, run.topology.settings
    member = topology.member(name)
    if member is None:
        raise OperationError(f"{name} is no external member")
    cluster = observe_live(run)
    command = read([host], ContainerCommand, container=settings.etcd_container)[name]
    # One that is only prepared has its ordinary file too: it is to join first. And a kill may have come
    # before its container was started.
    answers = cluster.statuses.get(name) is not None
    if not cluster.stacked and answers and knows_external_alone(command, topology):
        host.noop("this member runs by its ordinary compose file")
        return
    if is_executing():
        cluster = _ready_to_settle(run, name, cluster)
        tell_quorum(run, f"{name} is about to be restarted", cluster)
        note_progress(run)
        # Not of one that a killed run has left stopped.
        if cluster.statuses.get(name) is not None:
            hand_over(run, name, cluster.voters)
    template = (TEMPLATES / "docker-compose.yaml.j2").read_text(encoding="utf-8")
    content = render_compose(topology, member, template)
    yield from put_file(f"{settings.etcd_config_directory}/docker-compose.yaml", content, KEY_MODE)
    yield script("renew-container", settings.etcd_config_directory, *compose_words(run))
    yield script("start", *start_arguments(run))
    time.sleep(RECONNECT_SECONDS)


def _ready_to_settle(run: Run, name: str, seen: LiveCluster) -> LiveCluster:
    """The cluster. Raises OperationError unless the external members alone vote, all others healthy."""
    cluster = await_well(run, seen, besides="" if seen.statuses[name] is not None else name)
    if cluster.stacked or not cluster.all_external_vote:
        listed = ", ".join(one.name or "?" for one in cluster.membership.listed)
        raise refusal(
            [Problem("cluster", f"the members {listed}", "the external ones alone", "run tasks/shrink.py")],
            "No member was restarted.",
        )
    return cluster


@step
def prove_settled(run: Run) -> Commands:
    """
    Compare HashKV of every member once more, and the list of members that each of them tells.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"the members are compared from {run.lead()}")
        return
    if is_executing():
        compare_settled(run)
        run.on_failure = None
    host.noop("the external members are one healthy cluster, and hold the same")
    return
    yield


def compare_settled(run: Run) -> None:
    """Compare the members, unless that was done and confirmed before and nothing has changed since.

    Raises OperationError, all problems shown, where they differ or are not one healthy cluster.
    """
    is_confirmed = all(one.confirmed is not None for one in known_masters(run).values())
    if is_confirmed and "cutover_started" not in run.results:
        return
    # Also what an earlier run has changed, which was killed or failed before its confirmation.
    note_progress(run)
    statuses = observe_live(run).voters
    expected = {(one.name, (one.peer_url,)) for one in run.topology.members}
    problems = {
        problem
        for side in (statuses, *({name: one} for name, one in statuses.items()))
        for problem in Proof(0, {}, side).membership_problems(expected)
    }
    if problems:
        raise refusal(sorted(problems))
    compare_voters(run)
