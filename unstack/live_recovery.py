"""What a live migration leaves behind when a step fails: the stacked members alone, or the external ones.

Until a stacked member has left everything can go back: API servers one by one, then the members that
were added. From the first departure on it goes on as far as that is safe. Neither takes the API away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from pyinfra import logger
from pyinfra.api.exceptions import OperationError

from unstack.departure import (
    alive,
    dead_departures,
    external_members_of,
    find_joint,
    has_departed,
    next_departure,
    next_to_take_out,
    removal_order,
    return_problems,
    told,
)
from unstack.facts.membership import known_membership, observe_members
from unstack.guard import is_executing
from unstack.live import LiveCluster
from unstack.member_changes import let_external_leave, let_stacked_leave
from unstack.placement import runs_on_external
from unstack.progress import waiting
from unstack.recovery import advise, on_hosts, reachable_masters
from unstack.repeats import told_once
from unstack.returning import is_switched, return_api_server, unready
from unstack.run import Run, etcd_hosts

# Longer than an interruption of 20 s and the election after it.
SETTLE_SECONDS = 40.0
POLL_SECONDS = 1.0
AGAIN = "mend what failed, then run deploy.py again, which goes on from here"
EITHER = f"{AGAIN}, or tasks/rollback.py to go back"


def mend_failures(run: Run) -> None:
    """From the step on that calls this, a failure must not leave the members as they are."""
    if is_executing():
        run.on_failure = partial(after_live_failure, run)


def after_live_failure(run: Run) -> None:
    """Leave one cluster that tolerates a failure, and say which and what is left to do. Raises nothing."""
    try:
        _after_live_failure(run)
    except Exception as error:
        logger.error(f"    {error}")
        advise("the members stay as they are", EITHER)


def _after_live_failure(run: Run) -> None:
    cluster, silent = _settled(run)
    if find_joint(cluster.masters, cluster.statuses, run.topology) is None:
        if not cluster.stacked:
            advise("the cluster consists of its external members", AGAIN)
        return
    if has_departed(cluster.membership, run.topology):
        _go_on(run, cluster)
    elif silent or _no_return(cluster):
        problems = [
            *(f"{name} can't be reached" for name in silent),
            *(f"{one.host}: {one.found}" for one in return_problems(cluster)),
        ]
        _hold(run, cluster, f"there is no going back to the stacked members ({'; '.join(problems)})")
    else:
        _go_back(run, cluster)


def _settled(run: Run) -> tuple[LiveCluster, list[str]]:
    """`_look` once a way is open, or after a while: a network that was cut may be back by then."""
    deadline = time.monotonic() + SETTLE_SECONDS
    with told_once(), waiting(run.lead(), "waiting for the members to be healthy", SETTLE_SECONDS):
        while True:
            is_late = time.monotonic() > deadline
            try:
                cluster, silent = _look(run)
            except OperationError:
                if is_late:
                    raise
            else:
                joint = find_joint(cluster.masters, cluster.statuses, run.topology)
                forward = joint is not None and has_departed(joint, run.topology)
                if joint is None or is_late or (alive(cluster) if forward else not _no_return(cluster)):
                    return cluster, silent
            time.sleep(POLL_SECONDS)


def _no_return(cluster: LiveCluster) -> bool:
    return any(return_problems(cluster))


def _look(run: Run) -> tuple[LiveCluster, list[str]]:
    """(the cluster by the masters that can be reached, the names of those that can't)."""
    observed, silent = reachable_masters(run)
    statuses = observe_members(observed)
    return LiveCluster(run.topology, observed, statuses, known_membership(statuses)), silent


def _go_back(run: Run, cluster: LiveCluster) -> None:
    """Back to the stacked members alone, which are all healthy, as far as each host lets it."""
    logger.info("    going back to the stacked members: none of them has left")
    # By its process too: kubelet may not have followed a manifest that went back before.
    switched = [
        name
        for name, one in cluster.masters.items()
        if is_switched(name, one, run) or runs_on_external(one, cluster.topology)
    ]
    seconds = run.topology.settings.ready_timeout_seconds
    to_return = list(dict.fromkeys([*unready(run, switched), *switched]))
    # What keeps one from being ready may keep all of them: the next one serves until it is known.
    while to_return and not on_hosts(to_return[:1], lambda one: return_api_server(run, one, seconds)):
        del to_return[0]
    run.journal.record(
        "way back", to="stacked", masters=sorted({*cluster.masters} - {*to_return}), missing=[]
    )
    if to_return:
        _hold(run, cluster, f"the API server of {to_return[0]} could not go back to the stacked members")
        return
    left: set[str] = set()
    # Those that were never added too: their containers are there, and maybe data.
    for name in dict.fromkeys([*removal_order(cluster), *(one.name for one in etcd_hosts())]):
        left |= _let_go(run, name, let_external_leave)
    cluster, _ = _look(run)
    if external_members_of(cluster):
        _hold(run, cluster, f"the external member of {', '.join(sorted(left))} could not be removed")
        return
    advise(
        "the cluster consists of its stacked members again, every API server uses them, and nothing was lost",
        "mend what failed, then run deploy.py again",
    )


def _go_on(run: Run, cluster: LiveCluster) -> None:
    """The stacked members that are left leave, as long as no failure is made harder to bear by it."""
    logger.info("    going on with the external members: a stacked one has left already")
    tried: set[str] = set()
    while (name := next_departure(cluster, tried)) is not None:
        tried |= _let_go(run, name, let_stacked_leave)
        cluster, _ = _look(run)
    run.journal.record("way back", to="external", masters=sorted(cluster.masters), missing=[])
    _tell_parked(cluster, AGAIN)


def _hold(run: Run, cluster: LiveCluster, because: str) -> None:
    """Stay with members of both kinds, at an odd number of voters."""
    logger.warning(f"    {because}")
    # Rather than an external one that is well: without that one no stacked one could leave any more.
    for dead in dead_departures(cluster):
        _let_go(run, dead, let_stacked_leave)
        cluster, _ = _look(run)
    tried: set[str] = set()
    while (name := next_to_take_out(cluster, tried)) is not None:
        tried |= _let_go(run, name, let_external_leave)
        cluster, _ = _look(run)
    _tell_parked(cluster, EITHER)


def _let_go(run: Run, name: str, leave: Callable[[Run, LiveCluster, str], None]) -> set[str]:
    """Have one member leave the cluster as it stands now; whose departure fails is told and returned."""
    return on_hosts([name], lambda _: leave(run, _look(run)[0], name))


def _tell_parked(cluster: LiveCluster, to_do: str) -> None:
    names = [cluster.host_of(one) for one in cluster.membership.listed]
    advise(f"the members are {', '.join(names)} ({told(cluster)})", to_do)
