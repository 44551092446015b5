"""Members leave the one cluster of a live migration, one at a time, asked of those that stay.

On the control node, through the hosts' own etcdctl: for steps, and for what follows a failed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pyinfra import inventory
from pyinfra.api.exceptions import OperationError

from unstack.departure import (
    alive,
    departure_problems,
    external_members_of,
    healthy,
    leading,
    member_name,
    stacked_members_of,
)
from unstack.facts.cluster import observe_member_data
from unstack.lead import move_lead
from unstack.live import LiveCluster
from unstack.members import ListedMember
from unstack.operations.live import CHANGE_SECONDS, await_no_problem, tell_quorum
from unstack.remote import run_script
from unstack.run import Run

# Of a client that is about to go: an API server that was switched, an etcdctl of somebody.
CLIENT_SECONDS = 10
GONE_ON = "No further member was removed."


def hand_over(run: Run, cluster: LiveCluster, to: Mapping[str, ListedMember]) -> None:
    """Move the lead to a member of these hosts, unless one of them has it: an election is a stall.

    To the last of them, whose turn to be restarted comes last, so that the lead moves once more, not twice.
    Raises OperationError where none of them can lead.
    """
    leader = leading(cluster)
    if leader in to:
        return
    heir = next(reversed(healthy(cluster, to)), None)
    if leader is None or heir is None:
        hosts = ", ".join(to if leader is not None else cluster.statuses) or "any other host"
        kind = "leader" if leader is None else "healthy member"
        raise OperationError(
            f"found no {kind} on {hosts}; expected one, and one to lead next; to do: look at etcd's log there"
        )
    tell_quorum(run, f"the lead goes from {leader} to {heir}", cluster)
    move_lead(run, leader, member_name(cluster, leader), to[heir].id)


def _remove(run: Run, cluster: LiveCluster, name: str, leaving: ListedMember, staying: Iterable[str]) -> None:
    """Have the first of the hosts `staying` ask the cluster to let the member of `name` go."""
    asked = next(iter(staying), None)
    if asked is None:
        raise OperationError(
            f"{name}: found no healthy member that stays; expected one to ask for the removal; to do: look at"
            " etcd's log on the other hosts"
        )
    kind = "learner" if leaving.is_learner else "member"
    tell_quorum(run, f"the {kind} of {name} is about to be removed", cluster)
    run_script(
        inventory.get_host(asked),
        "change-members",
        member_name(cluster, asked),
        str(int(CHANGE_SECONDS)),
        "remove",
        f"{leaving.id:x}",
    )


def let_stacked_leave(run: Run, cluster: LiveCluster, name: str) -> None:
    """One stacked member leaves, never the leader and never one with clients; then its manifest is aside.

    One that is not listed any more is only retired.
    """
    leaving = stacked_members_of(cluster).get(name)
    master = inventory.get_host(name)
    member = member_name(cluster, name)
    if leaving is not None:
        hand_over(run, cluster, external_members_of(cluster))
        if cluster.statuses.get(name) is not None:
            run_script(master, "await-no-client", member, str(CLIENT_SECONDS))
        _remove(run, cluster, name, leaving, healthy(cluster, external_members_of(cluster)))
    settings = run.topology.settings
    # At once: kubelet would start it again.
    run_script(
        master,
        "retire",
        settings.manifests_directory,
        settings.kept_directory,
        member,
        str(int(settings.fence_timeout_seconds)),
    )


def let_external_leave(run: Run, cluster: LiveCluster, name: str) -> None:
    """One external member leaves, never the leader; its container is removed, its data set aside.

    Raises OperationError where the data there is another cluster's: its member may be in use.
    """
    leaving = external_members_of(cluster).get(name)
    if leaving is not None:
        if not leaving.is_learner:
            hand_over(run, cluster, stacked_members_of(cluster))
        _remove(run, cluster, name, leaving, healthy(cluster, stacked_members_of(cluster)))
    # Only now: the member of a host that is off has to leave the list too.
    has_own_data(run, name)
    settings = run.topology.settings
    run_script(
        inventory.get_host(name),
        "set-aside",
        settings.etcd_data_directory,
        settings.etcd_config_directory,
        settings.etcd_container,
        run.id,
    )


def has_own_data(run: Run, name: str) -> bool:
    """True where this tool has left data for the member. Raises OperationError where others have."""
    observed = observe_member_data([inventory.get_host(name)], run.topology)[name]
    settings = run.topology.settings
    if observed.has_data and (observed.restored is None or observed.restored.cluster != settings.cluster):
        raise OperationError(
            f"{name}: found data in {settings.etcd_data_directory}/data that this tool did not put there for"
            f" {settings.cluster}; expected none; to do: move it away if nobody needs it. It was not touched."
        )
    return observed.has_data


def depart(run: Run, name: str) -> None:
    """The stacked member of a master leaves; before it those that are dead.

    Raises OperationError, all problems shown, unless everything that stays is well before and after.
    """
    cluster = await_no_problem(run, departure_problems, GONE_ON)
    dead = [one for one, it in stacked_members_of(cluster).items() if it.id not in alive(cluster)]
    for leaving in dict.fromkeys([*dead, name]):
        let_stacked_leave(run, cluster, leaving)
        cluster = await_no_problem(run, departure_problems, GONE_ON)
