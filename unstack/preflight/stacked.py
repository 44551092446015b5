"""Rules about the stacked cluster that is moved, and about the external one once it is in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from unstack.members import ListedMember
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem
from unstack.versions import EtcdVersion

MEND = "mend the stacked cluster first; its state is what will be moved"
DISAGREE = "do not migrate: the members disagree (HashKV). Find the right one, and rebuild the others from it"
# HashKV is comparable only at one compact revision, and covers neither users nor roles.
COMPARED = ("hash", "compact_revision", "keys", "users", "roles")


def every_member_answers(cluster: Cluster) -> Iterator[Problem]:
    """A linearizable read through every member."""
    for name, status in cluster.stacked.items():
        if not status.is_healthy:
            yield Problem(name, "a stacked member that is unhealthy", "a healthy member with a quorum", MEND)


def every_member_is_on_a_master(cluster: Cluster) -> Iterator[Problem]:
    """A member that no master of the inventory runs means a master that would not be fenced."""
    silent = [master.name for master in cluster.topology.masters if master.name not in cluster.stacked]
    excused = {manifest.name for name in silent if (manifest := cluster.etcd_manifest(name))}
    if len(excused) < len(silent):
        return  # whose member is missing can't be told; that the master is unread is said elsewhere
    known = {status.member_id for status in cluster.stacked.values()} | _joined(cluster)
    for member in _listed(cluster):
        if member.id not in known and member.name not in excused:
            name = member.name or f"{member.id:x} (not started)"
            yield Problem(
                "inventory",
                f"the stacked member {name} at {', '.join(member.peer_urls)} on no master",
                "every master of the cluster in the group masters",
                "add that master, or remove its dead member with `etcdctl member remove`",
            )


def _listed(cluster: Cluster) -> Iterator[ListedMember]:
    """Every member that any member lists, once each, however their lists differ in other fields."""
    seen = {member.id: member for status in cluster.stacked.values() for member in status.members or ()}
    yield from seen.values()


def _joined(cluster: Cluster) -> set[int]:
    """The ids of the inventory's external members in the list: a live migration is under way."""
    if cluster.membership is None:
        return set()
    return {one.id for one in cluster.membership.external(cluster.topology).values()}


def one_leader_and_only_voters(cluster: Cluster) -> Iterator[Problem]:
    """Members that name different leaders are not one cluster."""
    leaders = {status.leader for status in cluster.stacked.values()}
    if len(leaders) > 1 or 0 in leaders:
        found = ", ".join(f"{name}: {one.leader:x}" for name, one in cluster.stacked.items())
        yield Problem("cluster", f"leaders {found}", "one leader that all members name", MEND)
    hosts = {status.member_id: name for name, status in cluster.stacked.items()}
    joined = _joined(cluster)
    for member in _listed(cluster):
        if member.is_learner and member.id not in joined:
            name = member.name or f"{member.id:x} (not started)"
            host = hosts.get(member.id, "cluster")
            yield Problem(host, f"the learner {name}", "voting members only", MEND)


def no_alarm(cluster: Cluster) -> Iterator[Problem]:
    """NOSPACE and CORRUPT would move along. Every member lists every alarm; each is told once."""
    hosts = {f"{status.member_id:x}": name for name, status in cluster.stacked.items()}
    for alarm in {alarm for status in cluster.stacked.values() for alarm in status.alarms or ()}:
        host = hosts.get(alarm.rpartition(" ")[2], "cluster")
        yield Problem(host, f"alarm {alarm}", "no alarm", "mend its cause, then `etcdctl alarm disarm`")


def contents_can_be_compared(cluster: Cluster, to_do: str = MEND) -> Iterator[Problem]:
    """A member so far behind that the others have compacted its revision away holds other data.

    Every member has just been made to catch up by a linearizable read, so lag is no excuse: a
    member that was started on an empty directory stands at revision 1 and passes health checks.
    """
    if cluster.compared_revision and any(one.content is None for one in cluster.stacked.values()):
        stand = ", ".join(f"{name}: {one.revision}" for name, one in cluster.stacked.items())
        yield Problem(
            "cluster",
            f"no HashKV of all members at revision {cluster.compared_revision}; they stand at {stand}",
            "one revision at which every member answers",
            to_do,
        )


def contents_are_equal(cluster: Cluster, to_do: str = DISAGREE) -> Iterator[Problem]:
    """Members that differ already (etcd#13766) would make any snapshot the wrong one for somebody.

    Present revision and leases move between two questions, since writes go on; what is compared
    belongs to one past revision, or does not change by itself. Most members are the measure.
    """
    read = {
        name: tuple(getattr(one.content, field) for field in COMPARED)
        for name, one in cluster.stacked.items()
        if one.content is not None
    }
    if len(set(read.values())) < 2:
        return
    (expected, most), *_ = Counter(read.values()).most_common()
    holders = ", ".join(name for name, values in read.items() if values == expected)
    for name, values in read.items():
        differing = [i for i, value in enumerate(values) if value != expected[i]]
        if differing:
            yield Problem(
                name,
                f"{_told(values, differing)} at revision {cluster.compared_revision}",
                f"{_told(expected, differing)}, as {'the others' if most > 1 else 'the member'} on {holders}",
                to_do,
            )


def contents_settled(cluster: Cluster) -> bool:
    """False where asking again is worth it: a compaction between two answers looks like a difference."""
    return not any((*contents_can_be_compared(cluster), *contents_are_equal(cluster)))


def _told(values: tuple[object, ...], fields: list[int]) -> str:
    shown = (sorted(value) if isinstance(value, frozenset) else value for value in values)
    return ", ".join(f"{COMPARED[i]} {value}" for i, value in enumerate(shown) if i in fields)


def image_fits_the_source(cluster: Cluster) -> Iterator[Problem]:
    """etcd restores within one minor version only (etcd#13070) and can't go back."""
    settings = cluster.topology.settings
    target = settings.version
    sources = {name: EtcdVersion.parse(status.version) for name, status in cluster.stacked.items()}
    if not sources:
        return
    # The newest member's: an older one, in the midst of an upgrade, says nothing more.
    name, source = max(sources.items(), key=lambda item: item[1])
    found = f"etcd_image {settings.etcd_image} (etcd {target})"
    if any(target.minor_series != one.minor_series for one in sources.values()):
        # The odd one out, where the members are of two series.
        name, source = next(i for i in sources.items() if i[1].minor_series != target.minor_series)
        yield Problem(
            "group_data",
            found,
            f"etcd {source.major}.{source.minor}, the minor version of the member on {name}",
            "choose an image of the same minor version; upgrade before or after the migration",
        )
    elif target < source:
        yield Problem(
            "group_data",
            found,
            f"at least {source}, the version of the member on {name}",
            "choose a newer image: etcd can't be downgraded",
        )


def warnings(cluster: Cluster) -> Iterator[str]:
    """What does not stop a migration, but should be known."""
    versions = {name: EtcdVersion.parse(status.version) for name, status in cluster.stacked.items()}
    old = {name: version for name, version in versions.items() if version.is_inconsistent}
    if old:
        yield (
            f"{', '.join(old)}: etcd {max(old.values())} can lose writes when killed under load"
            " (etcd#13766); the members agree now"
        )


def database_fits(cluster: Cluster) -> Iterator[Problem]:
    """A database above the quota raises NOSPACE with the first write."""
    quota = cluster.topology.settings.etcd_quota_backend_bytes
    if cluster.database_bytes >= quota:
        yield Problem(
            "group_data",
            f"etcd_quota_backend_bytes = {quota}",
            f"more than the database's {cluster.database_bytes} bytes",
            "raise etcd_quota_backend_bytes",
        )


def external_members_are_healthy(cluster: Cluster) -> Iterator[Problem]:
    """The cluster has been moved; what holds it now must be well."""
    for name, status in cluster.external.items():
        if not status.is_healthy or status.alarms:
            yield Problem(
                name,
                f"alarm {', '.join(status.alarms)}" if status.alarms else "an unhealthy member",
                "a healthy external member",
                "look at `docker logs` of the member on this host",
            )
