"""What preflight has read of a cluster, and what it could not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from unstack.manifest import EtcdManifest, ManifestError, read_etcd
from unstack.members import MemberStatus
from unstack.observations import EtcdHost, MasterHost
from unstack.placement import Phase, Placed, Placement, phase_of, place
from unstack.problems import Problem
from unstack.topology import Topology


@dataclass(frozen=True)
class Cluster:
    """All that was read, by inventory name. A host that is missing here is in `unread`."""

    topology: Topology
    masters: Mapping[str, MasterHost] = field(default_factory=dict)
    etcd_hosts: Mapping[str, EtcdHost] = field(default_factory=dict)
    stacked: Mapping[str, MemberStatus] = field(default_factory=dict)
    compared_revision: int = 0  # at which the stacked members were asked for their content
    external: Mapping[str, MemberStatus] = field(default_factory=dict)
    certificates: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)  # {path: end}
    manifest_template: str = ""
    kubeadm_config: str | None = None  # its ClusterConfiguration, "" without; None where nobody answered
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
    def database_bytes(self) -> int:
        """The size of the largest stacked member's database; 0 where none answered."""
        return max((status.database_bytes for status in self.stacked.values()), default=0)
