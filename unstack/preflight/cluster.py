"""What preflight has read of a cluster, and what it could not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from unstack.joining import JoiningReadings
from unstack.manifest import EtcdManifest, ManifestError, read_etcd
from unstack.members import MemberStatus
from unstack.membership import Membership, membership_of
from unstack.observations import EtcdHost, MasterHost
from unstack.placement import Phase, Placed, Placement, phase_of, place
from unstack.problems import Problem
from unstack.strategy import Strategy
from unstack.topology import Topology


@dataclass(frozen=True)
class Cluster:
    """All that was read, by inventory name. A host that is missing here is in `unread`."""

    topology: Topology
    strategy: Strategy = Strategy.SNAPSHOT  # by which this run migrates, or would
    masters: Mapping[str, MasterHost] = field(default_factory=dict)
    etcd_hosts: Mapping[str, EtcdHost] = field(default_factory=dict)
    stacked: Mapping[str, MemberStatus] = field(default_factory=dict)
    compared_revision: int = 0  # at which the stacked members were asked for their content
    external: Mapping[str, MemberStatus] = field(default_factory=dict)
    certificates: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)  # {path: end}
    manifest_template: str = ""
    kubeadm_config: str | None = None  # its ClusterConfiguration, "" without; None where nobody answered
    joining: JoiningReadings | None = None  # what live needs, where it was asked for
    unread: tuple[Problem, ...] = ()
    read_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    def placed(self, name: str) -> Placed | None:
        """Where a master stands; None where its manifest can't be read, which is a rule of its own."""
        try:
            return place(self.masters[name], self.topology)
        except ManifestError:
            return None

    def etcd_manifest(self, name: str) -> EtcdManifest | None:
        """A master's stacked member by its manifest; None where there is none to be read."""
        master = self.masters.get(name)
        try:
            return None if master is None else read_etcd(master.live.get("etcd", ""))
        except ManifestError:
            return None

    @property
    def phase(self) -> Phase:
        """Where the cluster stands, by the masters that could be read."""
        placements = [one.placement for name in self.masters if (one := self.placed(name))]
        return phase_of(placements or [Placement.STACKED])

    @property
    def membership(self) -> Membership | None:
        """The cluster's list of members; None where no member told it."""
        return membership_of((*self.stacked.values(), *self.external.values()))

    @property
    def has_joined(self) -> bool:
        """True where an external member's data came from the cluster that it joined, not from a snapshot."""
        notes = [one.restored for one in self.etcd_hosts.values()]
        return any(note.has_joined for note in notes if note is not None)

    @property
    def under_way(self) -> Strategy | None:
        """The strategy of a migration that has begun and has not ended; None where there is none."""
        masters = self.masters.values()
        # Before the list of members: a migrated cluster may have grown by one that no inventory names.
        if self.phase is Phase.EXTERNAL and all(
            one.confirmed is not None and "etcd" not in one.live for one in masters
        ):
            return None
        if self.membership is not None:
            external = self.membership.external(self.topology)
            if external and self.membership.stacked(self.topology):
                return Strategy.LIVE
        if self.phase is Phase.STACKED:
            return Strategy.SNAPSHOT if any(one.fenced for one in masters) else None
        return Strategy.LIVE if self.has_joined else Strategy.SNAPSHOT

    @property
    def is_one_cluster(self) -> bool:
        """True where external members and the stacked ones that API servers use say they are one cluster.

        Where no external one answers, the stacked ones' list says so.
        """
        listed = self.membership.external(self.topology) if self.membership is not None else {}
        ids = {one.cluster_id for one in (*self.stacked.values(), *self.external.values())}
        on_stacked = {
            name
            for name in self.masters
            if (here := self.placed(name)) is not None and here.placement is not Placement.EXTERNAL
        }
        return len(ids) == 1 and bool(self.external or listed) and on_stacked <= set(self.stacked)

    @property
    def database_bytes(self) -> int:
        """The size of the largest stacked member's database; 0 where none answered."""
        return max((status.database_bytes for status in self.stacked.values()), default=0)
