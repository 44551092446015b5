"""Who may leave the one cluster of a live migration, in which order, and when nobody may."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from unstack.live import LiveCluster
from unstack.manifest import EtcdManifest, ManifestError, read_etcd
from unstack.members import ListedMember, MemberStatus
from unstack.membership import Membership
from unstack.observations import MasterHost, MemberData
from unstack.placement import Placement, place, runs_on_external
from unstack.problems import Problem
from unstack.topology import Topology

MEND = "mend it, then run again"


def external_members_of(cluster: LiveCluster) -> dict[str, ListedMember]:
    """The external members that are listed, by name."""
    return cluster.membership.external(cluster.topology)


def stacked_members_of(cluster: LiveCluster) -> dict[str, ListedMember]:
    """The stacked members that are listed, by their master's name, in inventory order.

    By the peer URL in its manifest, or, of a master that has none or can't be read, by its address.
    """
    listed = {}
    for master in cluster.topology.masters:
        manifest = etcd_manifest(cluster.masters.get(master.name))
        for one in cluster.stacked:
            if manifest is not None:
                is_its = bool(set(manifest.peer_url.split(",")) & set(one.peer_urls))
            else:
                is_its = any(urlsplit(url).hostname == master.address for url in one.peer_urls)
            if is_its:
                listed[master.name] = one
    return listed


def etcd_manifest(master: MasterHost | None) -> EtcdManifest | None:
    """A master's stacked etcd, in place or kept; None where there is none that can be read."""
    if master is None:
        return None
    try:
        return read_etcd(master.live.get("etcd") or master.kept.get("etcd", ""))
    except ManifestError:
        return None


def member_name(cluster: LiveCluster, host: str) -> str:
    """etcd's --name of the member on a host."""
    manifest = etcd_manifest(cluster.masters.get(host))
    return manifest.name if manifest is not None else host


def alive(cluster: LiveCluster) -> frozenset[int]:
    """The ids of the members that have answered a linearizable read."""
    return frozenset(one.member_id for one in cluster.statuses.values() if one and one.is_healthy)


def told(cluster: LiveCluster) -> str:
    """The quorum's arithmetic of the cluster as it was read."""
    return cluster.membership.told(alive(cluster), cluster.host_of)


def healthy(cluster: LiveCluster, members: Mapping[str, ListedMember]) -> list[str]:
    """The hosts among these whose members vote and are alive."""
    living = alive(cluster)
    return [name for name, one in members.items() if one.id in living and not one.is_learner]


def leading(cluster: LiveCluster) -> str | None:
    """The host of the member that leads, None where none is known to."""
    return next((name for name, one in cluster.statuses.items() if one and one.is_leader), None)


def has_departed(membership: Membership, topology: Topology) -> bool:
    """True once a stacked member has left: only forward is safe from there on."""
    return len(membership.stacked(topology)) < len(topology.masters)


def find_joint(
    masters: Mapping[str, MasterHost], statuses: Mapping[str, MemberStatus | None], topology: Topology
) -> Membership | None:
    """The list of the cluster that members of both kinds are in, None where there is none.

    Not by one leader alone: after a migration by a snapshot two clusters run, each with its own list.
    And a member of no master is no stacked one: an external cluster may have grown by hand.
    """
    for one in statuses.values():
        if one is not None and one.members is not None:
            cluster = LiveCluster(topology, masters, statuses, Membership(one.members))
            if external_members_of(cluster) and stacked_members_of(cluster):
                return cluster.membership
    return None


def has_left_data(member: MemberData, cluster: str) -> bool:
    """True of a member that had joined this cluster live, and whose data is still in its place.

    That of another cluster, whose hosts the inventory names by mistake, is in use.
    """
    return member.has_joined and member.restored is not None and member.restored.cluster == cluster


def may_go(cluster: LiveCluster, leaving: ListedMember) -> bool:
    """Whether a member may leave although something is wrong.

    While all voters are alive always. Else only where afterwards as many may still fail as before, or
    one: an even number tolerates no more than the odd one below it, so from there the way down is free,
    and so is the departure of a member that is dead already.
    """
    voters = {one.id for one in cluster.membership.voters}
    living = alive(cluster) & voters
    if leaving.is_learner or living == voters:
        return True
    before = _spare(len(voters), len(living))
    after = _spare(len(voters) - 1, len(living - {leaving.id}))
    return after >= max(0, min(before, 1))


def _spare(voters: int, living: int) -> int:
    """How many of those that are alive may fail yet; below 0 there is no quorum."""
    return living - (voters // 2 + 1)


def leaving_order(cluster: LiveCluster, members: Mapping[str, ListedMember]) -> list[str]:
    """In which order the members of these hosts leave: learners, then the dead, then as given."""
    living = alive(cluster)
    return sorted(members, key=lambda name: (not members[name].is_learner, members[name].id in living))


def removal_order(cluster: LiveCluster) -> list[str]:
    """In which order the external members leave, by host: the last that came first."""
    return leaving_order(cluster, dict(reversed(external_members_of(cluster).items())))


def next_departure(cluster: LiveCluster, tried: Collection[str] = ()) -> str | None:
    """The master whose stacked member may leave next although something is wrong; None where none may.

    + tried: those that have failed to leave
    """
    stacked = stacked_members_of(cluster)
    for name in leaving_order(cluster, stacked):
        # A living one whose API server would be left without etcd stays.
        needed = stacked[name].id in alive(cluster) and not _is_switched(cluster, name)
        if name not in tried and may_go(cluster, stacked[name]) and not needed:
            return name
    return None


def dead_departures(cluster: LiveCluster) -> list[str]:
    """The masters whose stacked members are dead and may leave, since nothing needs stacked ones any more."""
    if len(cluster.masters) < len(cluster.topology.masters) or any(departure_problems(cluster)):
        return []
    living = alive(cluster)
    return [name for name, one in stacked_members_of(cluster).items() if one.id not in living]


def next_to_take_out(cluster: LiveCluster, tried: Collection[str] = ()) -> str | None:
    """The external member that leaves next where the cluster has to stay half-way; None where none does.

    + tried: those that have failed to leave

    Learners and dead ones are of no use. Of an even number of voters one more leaves: it tolerates no
    more failures than the odd one below it.
    """
    external = external_members_of(cluster)
    of_use = healthy(cluster, external)
    # By the process too, which kubelet may not have started anew.
    is_needed = len(of_use) == 1 and any(
        _is_switched(cluster, name) or runs_on_external(one, cluster.topology)
        for name, one in cluster.masters.items()
    )
    is_odd = len(cluster.membership.voters) % 2 == 1
    for name in removal_order(cluster):
        if name in of_use and (is_odd or is_needed):
            continue
        if name not in tried and may_go(cluster, external[name]):
            return name
    return None


def _is_switched(cluster: LiveCluster, master: str) -> bool:
    """Whether a master's manifest names the external members; one that can't be read counts as not."""
    try:
        return place(cluster.masters[master], cluster.topology).placement is Placement.EXTERNAL
    except (KeyError, ManifestError):
        return False


def departure_problems(cluster: LiveCluster) -> Iterator[Problem]:
    """What keeps every stacked member from leaving.

    A stacked member that is dead is none: it leaves before the others, and the quorum is better for it.
    """
    external, living = external_members_of(cluster), alive(cluster)
    for name, one in cluster.masters.items():
        if not runs_on_external(one, cluster.topology):
            yield Problem(
                name,
                "an API server that does not run on the external etcd",
                "every one on it before a stacked member leaves",
                "run deploy.py, which switches it first",
            )
    for member in cluster.topology.members:
        listed = external.get(member.name)
        if listed is None or listed.is_learner:
            yield Problem(
                member.name,
                "an external member that is a learner" if listed else "an external member that is not listed",
                "every external member a voter before a stacked one leaves",
                "run deploy.py, which lets it join first",
            )
        elif listed.id not in living:
            yield Problem(
                member.name,
                "an external member that does not answer a linearizable read",
                "every external member healthy, before and after each departure",
                MEND,
            )
    for alarm in sorted({alarm for one in cluster.statuses.values() if one for alarm in one.alarms or ()}):
        yield Problem(
            "cluster", f"the alarm {alarm}", "no alarm", "mend its cause, then `etcdctl alarm disarm`"
        )
    known = {one.id for one in (*external.values(), *stacked_members_of(cluster).values())}
    for stranger in cluster.membership.listed:
        if stranger.id not in known:
            name = stranger.name or f"{stranger.id:x}"
            yield Problem(
                "cluster",
                f"the member {name} at {', '.join(stranger.peer_urls)} of no host",
                "the inventory's members, and those that the masters' etcd.yaml starts",
                "add that master to the inventory, or remove its dead member with `etcdctl member remove`",
            )


def return_problems(cluster: LiveCluster) -> Iterator[Problem]:
    """What keeps a live migration from going back to the stacked members alone."""
    stacked, living = stacked_members_of(cluster), alive(cluster)
    for master in cluster.topology.masters:
        if master.name not in stacked or stacked[master.name].id not in living:
            yield Problem(
                master.name,
                "a stacked member that is not healthy",
                "all of them healthy: they will be alone",
                MEND,
            )
