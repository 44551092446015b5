"""Rules about the stacked cluster that is moved, and about the external one once it is in use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from unstack.observations import Content
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem
from unstack.versions import EtcdVersion

MEND = "mend the stacked cluster first; its state is what will be moved"


def every_member_answers(cluster: Cluster) -> Iterator[Problem]:
    """A linearizable read through every member."""
    for name, status in cluster.stacked.items():
        if not status.is_healthy:
            yield Problem(name, "a stacked member that is unhealthy", "a healthy member with a quorum", MEND)


def every_member_is_on_a_master(cluster: Cluster) -> Iterator[Problem]:
    """A member that no master of the inventory runs means a master that would not be fenced."""
    if len(cluster.stacked) < len(cluster.topology.masters):
        return  # one did not answer, which is said elsewhere
    known = {status.member_id for status in cluster.stacked.values()}
    for status in cluster.stacked.values():
        for member in status.members:
            if member.id not in known:
                name = member.name or f"{member.id:x} (not started)"
                yield Problem(
                    "inventory",
                    f"the stacked member {name} at {', '.join(member.peer_urls)} on no master",
                    "every master of the cluster in the group masters",
                    "add that master, or remove its dead member with `etcdctl member remove`",
                )


def one_leader_and_only_voters(cluster: Cluster) -> Iterator[Problem]:
    """Members that name different leaders are not one cluster."""
    leaders = {status.leader for status in cluster.stacked.values()}
    if len(leaders) > 1 or 0 in leaders:
        found = ", ".join(f"{name}: {one.leader:x}" for name, one in cluster.stacked.items())
        yield Problem("cluster", f"leaders {found}", "one leader that all members name", MEND)
    for name, status in cluster.stacked.items():
        for member in status.members:
            if member.is_learner:
                yield Problem(name, f"the learner {member.name}", "voting members only", MEND)


def no_alarm(cluster: Cluster) -> Iterator[Problem]:
    """NOSPACE and CORRUPT would move along."""
    for name, status in cluster.stacked.items():
        for alarm in status.alarms:
            yield Problem(name, f"alarm {alarm}", "no alarm", "mend its cause, then `etcdctl alarm disarm`")


def contents_are_equal(cluster: Cluster) -> Iterator[Problem]:
    """Members that differ already (etcd#13766) would make any snapshot the wrong one for somebody."""
    read = {name: one.content for name, one in cluster.stacked.items() if one.content is not None}
    if len(read) < 2:
        return
    first, expected = next(iter(read.items()))
    for name, content in read.items():
        for field in fields(Content):
            ours, theirs = getattr(expected, field.name), getattr(content, field.name)
            # Writes go on meanwhile: the present revision and leases move between two questions.
            if field.name in ("hash", "compact_revision", "keys") and ours != theirs:
                yield Problem(
                    name,
                    f"{field.name} {theirs} (HashKV compared at one revision)",
                    f"{ours}, as the member on {first}",
                    "do not migrate: the stacked members disagree. Find the right one, and"
                    " rebuild the others from it",
                )


def image_fits_the_source(cluster: Cluster) -> Iterator[Problem]:
    """etcd restores within one minor version only (etcd#13070) and can't go back."""
    settings = cluster.topology.settings
    target = settings.version
    for name, status in cluster.stacked.items():
        source = EtcdVersion.parse(status.version)
        if target.minor_series != source.minor_series:
            yield Problem(
                "group_data",
                f"etcd_image {settings.etcd_image} (etcd {target})",
                f"etcd {source.major}.{source.minor}, the minor version of the member on {name}",
                "choose an image of the same minor version; upgrade after the migration",
            )
        elif target < source:
            yield Problem(
                "group_data",
                f"etcd_image {settings.etcd_image} (etcd {target})",
                f"at least {source}, the version of the member on {name}",
                "choose a newer image: etcd can't be downgraded",
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
