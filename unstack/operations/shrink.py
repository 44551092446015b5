"""The stacked members leave the cluster, one by one, once every API server is on the external ones."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError

from unstack.departure import external_members_of, stacked_members_of
from unstack.facts.cluster import forget_masters, known_masters, observe_master, observe_masters, stacked_name
from unstack.facts.membership import observe_live
from unstack.guard import Commands, action, is_executing, step
from unstack.live_recovery import mend_failures
from unstack.member_changes import depart, hand_over
from unstack.observations import MasterHost, parse_report
from unstack.relay import relay_file
from unstack.remote import run_script
from unstack.run import Run
from unstack.scripts import Script, script


@step
def keep_restore_tool(run: Run) -> Commands:
    """
    Keep the stacked etcd's own restore tool on its master, for a rollback.

    + run: this run

    Before the member leaves: its process ends with the removal, and its container may go with it.
    """
    mend_failures(run)
    observed = observe_master(host, run.topology)
    if "etcd" not in observed.live:
        host.noop("no stacked etcd is left here")
        return
    yield from restore_tool(run, observed)


def restore_tool(run: Run, observed: MasterHost) -> Iterator[Script]:
    """Keep this master's, as it was observed; nothing where its etcd.yaml is not in place."""
    if "etcd" in observed.live:
        name = stacked_name(host.name, observed)
        yield script("keep-restore-tool", run.topology.settings.kept_directory, name)


@step
def share_restore_tool(run: Run) -> Commands:
    """
    Bring the restore tool to the masters whose own stacked etcd did not run and gave none.

    + run: this run

    Before a member leaves: a rollback restores all of them.
    """
    if host.name != run.lead():
        host.noop(f"the tool is brought from {run.lead()}")
        return
    if not any("etcd" in one.live for one in known_masters(run).values()):
        host.noop("no stacked etcd is left")
        return
    if is_executing():
        without = any(not one.has_restore_tool for one in observe_masters(run.topology).values())
    else:  # those that run give it before
        cluster = observe_live(run)
        without = any(
            not one.has_restore_tool and not cluster.statuses.get(n) for n, one in cluster.masters.items()
        )
    if not without:
        host.noop("every master has the tool")
        return
    yield action(lambda: bring_restore_tool(run))


def bring_restore_tool(run: Run) -> None:
    """Every master gets the restore tool that has none. Raises OperationError where none has one."""
    observed = observe_masters(run.topology)
    without = [inventory.get_host(name) for name, one in observed.items() if not one.has_restore_tool]
    if not without:
        return
    giver = next((name for name, one in observed.items() if one.has_restore_tool), None)
    if giver is None:
        raise OperationError(
            "found no etcdutl of the stacked etcd on any master; expected one, without which no rollback"
            " could restore its members; to do: look at the stacked etcd's containers. No further member was"
            " removed."
        )
    kept = run.topology.settings.kept_directory
    path = f"{kept}/stacked/etcdutl"
    told = parse_report(run_script(inventory.get_host(giver), "own-restore-tool", kept))
    (size,), (expected,) = told["bytes"], told["sha256"]
    for name, sha256 in relay_file(inventory.get_host(giver), path, int(size), without, path).items():
        if sha256 != expected:
            raise OperationError(
                f"{name}: found sha256 {sha256} of the copied {path}; expected {expected}, as on {giver}; to"
                " do: run the same task again; if it repeats, check that host's disk and memory"
            )
        run_script(inventory.get_host(name), "own-restore-tool", kept)


@step
def move_lead(run: Run) -> Commands:
    """
    Move the lead to an external member, so that no removal ends in an election.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"the lead is moved from {run.lead()}")
        return
    if not any("etcd" in one.live for one in known_masters(run).values()):
        host.noop("no stacked etcd is left")
        return
    yield action(lambda: _move_lead(run))


def _move_lead(run: Run) -> None:
    cluster = observe_live(run)
    hand_over(run, cluster, external_members_of(cluster))


@step
def remove_stacked_member(run: Run, name: str) -> Commands:
    """
    Let one stacked member leave, and set its manifest aside. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is

    Everything that stays is healthy before and after. Its data directory stays as it is.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    if "etcd" not in observe_master(host, run.topology).live and (
        name not in stacked_members_of(observe_live(run))
    ):
        host.noop("no stacked etcd is left here")
        return
    forget_masters(run)
    yield action(lambda: depart(run, name))
