"""A live migration under way: the masters, the one etcd cluster, and what may be done to it next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unstack.manifest import ManifestError, read_etcd
from unstack.members import ListedMember, MemberStatus
from unstack.membership import Membership
from unstack.observations import MasterHost
from unstack.problems import Problem
from unstack.topology import Topology


@dataclass(frozen=True)
class LiveCluster:
    """What was read at one moment, by inventory name; a status is None where no member answered."""

    topology: Topology
    masters: Mapping[str, MasterHost]
    statuses: Mapping[str, MemberStatus | None]
    membership: Membership

    def listed(self, name: str) -> ListedMember | None:
        """The external member of that inventory name in the cluster's list, or None."""
        return self.membership.external(self.topology).get(name)

    @property
    def voters(self) -> dict[str, MemberStatus]:
        """The voting members that answer, stacked ones first."""
        ids = {one.id for one in self.membership.voters}
        return {n: one for n, one in self.statuses.items() if one is not None and one.member_id in ids}

    @property
    def leader(self) -> MemberStatus | None:
        """The member that leads, or None where no answering member does."""
        return next((one for one in self.voters.values() if one.is_leader), None)

    @property
    def all_external_vote(self) -> bool:
        """True once the cluster has grown by every external member."""
        external = self.membership.external(self.topology)
        return all(m.name in external and not external[m.name].is_learner for m in self.topology.members)

    @property
    def stacked(self) -> tuple[ListedMember, ...]:
        """The members in the list that are none of the external ones."""
        return self.membership.stacked(self.topology)

    @property
    def stacked_to_ask(self) -> str | None:
        """A master whose member votes and is healthy: changes of external members are asked of it."""
        return next((n for n, one in self.voters.items() if n in self.masters and one.is_healthy), None)

    def host_of(self, member: ListedMember) -> str:
        """The inventory name of a member's host; the member's own name where it is on none of them."""
        for name, one in self.membership.external(self.topology).items():
            if one.id == member.id:
                return name
        for name, status in self.statuses.items():
            if status is not None and status.member_id == member.id:
                return name
        for name, master in self.masters.items():
            try:
                if read_etcd(master.live.get("etcd", "")).name == member.name:
                    return name
            except ManifestError:
                continue
        return member.name or f"{member.id:x}"

    def problems(self) -> Iterator[Problem]:
        """What keeps a member from being added, promoted or removed, and an API server from its switch.

        A voter that is down brings every further change closer to the loss of the quorum.
        """
        answering = {one.member_id: one for one in self.voters.values()}
        for member in self.membership.voters:
            status = answering.get(member.id)
            if status is None or not status.is_healthy:
                yield Problem(
                    self.host_of(member),
                    "a voting member that does not answer a linearizable read",
                    "every voter healthy before the members are changed any further",
                    "mend it, then run deploy.py again",
                )
        # Every member lists every alarm.
        for alarm in sorted({alarm for one in self.voters.values() for alarm in one.alarms or ()}):
            yield Problem(
                "cluster", f"the alarm {alarm}", "no alarm", "mend its cause, then `etcdctl alarm disarm`"
            )
