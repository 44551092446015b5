"""The one etcd cluster of a live migration: who votes in it, and how many may fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from unstack.members import ListedMember, MemberStatus
from unstack.topology import Topology


@dataclass(frozen=True)
class Membership:
    """The members of a cluster as itself lists them: stacked ones, external ones, or both."""

    listed: tuple[ListedMember, ...]

    @property
    def voters(self) -> tuple[ListedMember, ...]:
        """Those that count for the quorum, started or not."""
        return tuple(one for one in self.listed if not one.is_learner)

    @property
    def quorum(self) -> int:
        """How many voters have to agree."""
        return len(self.voters) // 2 + 1

    def may_fail(self, alive: Collection[int]) -> int:
        """How many of the voters that are `alive`, by their ids, may fail with the others still a quorum."""
        return max(0, sum(one.id in alive for one in self.voters) - self.quorum)

    def external(self, topology: Topology) -> dict[str, ListedMember]:
        """The inventory's external members that are listed, by name. A peer URL tells who it is: one
        that has not started yet has no name."""
        by_url = {url: one for one in self.listed for url in one.peer_urls}
        return {
            member.name: by_url[member.peer_url] for member in topology.members if member.peer_url in by_url
        }

    def stacked(self, topology: Topology) -> tuple[ListedMember, ...]:
        """All that are none of the inventory's external members."""
        ids = {one.id for one in self.external(topology).values()}
        return tuple(one for one in self.listed if one.id not in ids)

    def initial_cluster(self, topology: Topology) -> str:
        """etcd's --initial-cluster of a member that joins: exactly this list, or etcd refuses to start.

        The joining member has no name in it yet, but the inventory's.
        """
        names = {one.id: name for name, one in self.external(topology).items()}
        return ",".join(
            f"{names.get(one.id, one.name)}={url}" for one in self.listed for url in one.peer_urls
        )

    def told(self, alive: Collection[int], name_of: Callable[[ListedMember], str]) -> str:
        """The quorum's arithmetic, as it is shown before each step.

        + alive: the ids of the members that have answered a linearizable read
        + name_of: how the others are called
        """
        learners = sum(one.is_learner for one in self.listed)
        beside = f" and {learners} learner{'s' if learners > 1 else ''}" if learners else ""
        dead = " and ".join(name_of(one) for one in self.voters if one.id not in alive)
        return (
            f"{len(self.voters)} voter{'s' if len(self.voters) != 1 else ''}{beside}"
            f"{f', {dead} not healthy' if dead else ''}: quorum {self.quorum},"
            f" {self.may_fail(alive) or 'none'} may fail now"
        )


def membership_of(statuses: Iterable[MemberStatus]) -> Membership | None:
    """The cluster's list by its leader, or else by any member that was asked for it; None without."""
    lists = sorted(
        (one for one in statuses if one.members is not None), key=lambda one: one.is_leader, reverse=True
    )
    return Membership(lists[0].members or ()) if lists else None
