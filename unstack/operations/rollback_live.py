"""The way back of a live migration: no data moves, and the API is never away.

Before a stacked member has left, API servers and members go back one by one. Once one has, the others
leave too: then it is the way back of every migration, by the data.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host, inventory

from unstack.departure import alive, external_members_of, removal_order, return_problems, stacked_members_of
from unstack.facts.cluster import forget_masters, known_masters, known_member_data, observe_master
from unstack.facts.membership import observe_live
from unstack.guard import Commands, action, step
from unstack.live import LiveCluster
from unstack.live_recovery import mend_failures
from unstack.member_changes import depart, let_external_leave
from unstack.operations.live import await_no_problem
from unstack.operations.shrink import bring_restore_tool, restore_tool
from unstack.operations.way_back import Way, is_halved, way_of
from unstack.placement import runs_on_external
from unstack.problems import Problem
from unstack.returning import is_switched, return_api_server, unready
from unstack.run import Run


@step
def return_switched(run: Run, name: str) -> Commands:
    """
    Have one API server use its stacked member again. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    One that serves nobody has its turn first, whose it ever is; the load balancer has time in between.
    """
    if host.name != name or way_of(run) is not Way.LIVE:
        host.noop(f"it is the turn of {name}" if way_of(run) is Way.LIVE else "not this way")
        return
    mend_failures(run)
    observed = observe_master(host, run.topology)
    if not is_switched(name, observed, run) and not runs_on_external(observed, run.topology):
        host.noop("this API server uses its stacked member")
        return
    forget_masters(run)
    yield action(lambda: _return_in_turn(run, name))


def _return_in_turn(run: Run, name: str) -> None:
    cluster = await_no_problem(run, return_problems)
    switched = [one for one, seen in cluster.masters.items() if is_switched(one, seen, run)]
    for one in dict.fromkeys([*unready(run, switched), name]):
        return_api_server(run, inventory.get_host(one), run.topology.settings.ready_timeout_seconds)


@step
def remove_external_member(run: Run, name: str) -> Commands:
    """
    Let one external member leave, and set its data aside. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    A learner or a dead one leaves first, whosever turn it is; never the leader.
    """
    if host.name != name or way_of(run) is not Way.LIVE:
        host.noop(f"it is the turn of {name}" if way_of(run) is Way.LIVE else "not this way")
        return
    if name not in external_members_of(observe_live(run)) and not _is_there(run, name):
        host.noop("no external member is here")
        return
    yield action(lambda: _remove_in_turn(run, name))


def _is_there(run: Run, name: str) -> bool:
    seen = known_member_data(run)[name]
    return seen.has_data or bool(seen.container)


def _remove_in_turn(run: Run, name: str) -> None:
    cluster = await_no_problem(run, _removal_problems)
    living = alive(cluster)
    external = external_members_of(cluster)
    broken = [
        one for one in removal_order(cluster) if external[one].is_learner or external[one].id not in living
    ]
    for leaving in dict.fromkeys([*broken, name]):
        let_external_leave(run, cluster, leaving)
        cluster = await_no_problem(run, _removal_problems)


def _removal_problems(cluster: LiveCluster) -> Iterator[Problem]:
    """What keeps every external member from leaving."""
    yield from return_problems(cluster)
    for name, one in cluster.masters.items():
        if runs_on_external(one, cluster.topology):
            yield Problem(
                name,
                "an API server that runs on the external members",
                "every one on its stacked member before they leave",
                "run tasks/rollback.py again, which returns it first",
            )


@step
def leave_first(run: Run, name: str) -> Commands:
    """
    Let one of the stacked members leave that have not yet. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    It comes back with the others, in a cluster of their own, with all that was written until then.
    """
    if host.name != name or not is_halved(run):
        host.noop(f"it is the turn of {name}" if is_halved(run) else "not this way")
        return
    mend_failures(run)
    observed = observe_master(host, run.topology)
    if "etcd" not in observed.live and name not in stacked_members_of(observe_live(run)):
        host.noop("this stacked member has left")
        return
    forget_masters(run)
    yield from restore_tool(run, observed)
    yield action(lambda: depart(run, name))


@step
def complete_restore_tools(run: Run) -> Commands:
    """
    Bring the restore tool to the masters whose stacked etcd was dead when it left.

    + run: this run
    """
    if host.name != run.lead() or way_of(run) is not Way.DATA:
        host.noop("not this way" if host.name == run.lead() else f"the tool is brought from {run.lead()}")
        return
    if all(one.has_restore_tool or "etcd" in one.live for one in known_masters(run).values()):
        host.noop("every master has it, or an etcd that has")
        return
    yield action(lambda: bring_restore_tool(run))
