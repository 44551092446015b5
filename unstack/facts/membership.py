"""The members of a live migration's cluster as they stand, asked on all their hosts at once."""

from __future__ import annotations

from collections.abc import Mapping

from gevent.lock import RLock
from pyinfra.api import FactBase
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import observe_masters, stacked_name
from unstack.facts.hosts import ObservedMember, ObservedOwnContent
from unstack.guard import is_executing
from unstack.live import LiveCluster
from unstack.members import MemberStatus
from unstack.membership import Membership, membership_of
from unstack.observations import MasterHost
from unstack.run import Run, etcd_hosts, masters, on_each

# Several hosts' plans ask at once; one of them reads for all.
_READING = RLock()


def observe_members(masters_seen: Mapping[str, MasterHost]) -> dict[str, MemberStatus | None]:
    """Every host's member, by inventory name; None where none runs or it does not answer.

    + masters_seen: the masters, of which those with an etcd.yaml in place are asked

    Of the external members those that the stacked ones list as started, or all where no stacked one
    answers. A learner tells what is its own alone.
    """
    stacked = {name: stacked_name(name, one) for name, one in masters_seen.items() if "etcd" in one.live}
    found: dict[str, MemberStatus | None] = on_each(
        [one for one in masters() if one.name in stacked],
        lambda one: one.get_fact(ObservedMember, member=stacked[one.name], _ignore_errors=True),
    )
    known = membership_of(one for one in found.values() if one is not None)
    # Until it has started, a listed member has no name; an external one's is its host's.
    listed = {one.name: one for one in known.listed} if known is not None else None

    def fact_of(name: str) -> type[FactBase[MemberStatus | None]] | None:
        if listed is None:
            return ObservedMember
        if name not in listed:
            return None
        return ObservedOwnContent if listed[name].is_learner else ObservedMember

    asked = {one.name: fact for one in etcd_hosts() if (fact := fact_of(one.name)) is not None}
    external = on_each(
        [one for one in etcd_hosts() if one.name in asked],
        lambda one: one.get_fact(asked[one.name], member=one.name, _ignore_errors=True),
    )
    return {**found, **{one.name: external.get(one.name) for one in etcd_hosts()}}


def known_membership(statuses: Mapping[str, MemberStatus | None]) -> Membership:
    """The list of the cluster. Raises OperationError where no member tells it."""
    found = membership_of(one for one in statuses.values() if one is not None)
    if found is None:
        raise OperationError(
            f"found no member that lists the cluster's members, of {', '.join(statuses)}; expected one; to"
            " do: look at etcd's log on these hosts"
        )
    return found


def observe_live(run: Run) -> LiveCluster:
    """The masters and the cluster's members now; while the plan is made as they were at first.

    Raises OperationError where a master can't be read, or no member tells who the members are.
    """
    if is_executing():
        return _observe_live(run)
    with _READING:
        if "live cluster while planning" not in run.cache:
            run.cache["live cluster while planning"] = _observe_live(run)
        seen: LiveCluster = run.cache["live cluster while planning"]
        return seen


def _observe_live(run: Run) -> LiveCluster:
    masters_seen = observe_masters(run.topology)
    statuses = observe_members(masters_seen)
    return LiveCluster(run.topology, masters_seen, statuses, known_membership(statuses))
