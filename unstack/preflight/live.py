"""What a live migration needs, condition by condition, and which strategy follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from unstack.joining import CONNECTED, JoiningReadings
from unstack.manifest import flag
from unstack.placement import Phase
from unstack.preflight import stacked
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem
from unstack.stacked_authority import SNAPSHOT_INSTEAD, authority_problems
from unstack.strategy import Condition, Strategy, choose

# etcd's own defaults, which kubeadm leaves as they are.
TIMING_FLAGS = {
    "heartbeat-interval": ("etcd_heartbeat_interval_milliseconds", "100"),
    "election-timeout": ("etcd_election_timeout_milliseconds", "1000"),
}
PEER_RESTRICTIONS = ("peer-cert-allowed-cn", "peer-cert-allowed-hostname")


def asks_for_joining(cluster: Cluster) -> bool:
    """Whether it matters if external members could join: before the first one does, if live may be meant."""
    return (
        cluster.topology.settings.strategy != "snapshot"
        and cluster.phase is Phase.STACKED
        and cluster.under_way is None
        and not cluster.unread
    )


def strategy_by(cluster: Cluster) -> Strategy:
    """The strategy by the setting; with "auto" by what is under way, or else by the conditions."""
    setting = cluster.topology.settings.strategy
    if setting != "auto":
        return Strategy(setting)
    if cluster.under_way is not None:
        return cluster.under_way
    if cluster.phase is not Phase.STACKED:
        # All is done; each strategy's stages see that they have nothing to do.
        return Strategy.LIVE if cluster.has_joined else Strategy.SNAPSHOT
    return choose(conditions(cluster))


def reasons(cluster: Cluster) -> Iterator[str]:
    """Why `strategy_by` takes what it takes where the setting is "auto", a line each."""
    if cluster.under_way is not None:
        yield f"a migration of this strategy is under way: {begun(cluster)}"
    elif cluster.phase is not Phase.STACKED:
        yield "the cluster is migrated already"
    elif cluster.joining is None:
        yield "not every host could be read: what live needs was not asked"
    else:
        for condition in conditions(cluster):
            yield from condition.lines()


def begun(cluster: Cluster) -> str:
    """By what it is seen that a migration is under way."""
    if cluster.under_way is Strategy.LIVE:
        listed = cluster.membership.external(cluster.topology) if cluster.membership is not None else {}
        return f"{', '.join(listed) or 'an external member'} in the list of the stacked cluster's members"
    fenced = [name for name, one in cluster.masters.items() if one.fenced]
    where = ", ".join(fenced or cluster.masters)
    return f"the fence is closed on {where}" if fenced else f"API servers on restored members ({where})"


def strategy_fits(cluster: Cluster) -> Iterator[Problem]:
    """What one strategy has begun the other one can't go on with."""
    under_way = cluster.under_way
    if under_way is None or under_way is cluster.strategy:
        return
    back = (
        "tasks/rollback.py, which takes the external members out again as long as no stacked one has left"
        if under_way is Strategy.LIVE
        else "tasks/rollback.py, which goes back"
    )
    yield Problem(
        "group_data",
        f"the strategy {cluster.strategy.value} while a {under_way.value} migration is under way:"
        f" {begun(cluster)}",
        f'strategy = "{under_way.value}" until that one has ended',
        f"run deploy.py with --data strategy={under_way.value}, which goes on, or {back}",
    )


def conditions_hold(cluster: Cluster) -> Iterator[Problem]:
    """A live migration that could not be brought to its end is not begun."""
    if cluster.strategy is not Strategy.LIVE:
        return
    for condition in conditions(cluster) or (_version(cluster),):
        yield from condition.problems


def conditions(cluster: Cluster) -> tuple[Condition, ...]:
    """All that a live migration needs before it begins; none where it was not asked for."""
    joining = cluster.joining
    if joining is None:
        return ()
    return (
        Condition("readings", "every host answered", joining.problems),
        _version(cluster),
        _quorum(cluster),
        _data(cluster),
        _trust(cluster, joining),
        _timing(cluster),
        _ports(cluster, joining),
        _round_trips(cluster, joining),
        _disks(cluster, joining),
    )


def _version(cluster: Cluster) -> Condition:
    settings = cluster.topology.settings
    problems = list(stacked.image_fits_the_source(cluster))
    least = settings.version.least_to_join
    if settings.version < least:
        problems.append(
            Problem(
                "group_data",
                f"etcd_image {settings.etcd_image} (etcd {settings.version})",
                f"at least etcd {least} for members that join as learners: older ones note a promotion"
                " wrongly (etcd#19557, etcd#20793, etcd#20967)",
                f"choose a newer image, or {SNAPSHOT_INSTEAD}",
            )
        )
    sources = ", ".join(sorted({one.version for one in cluster.stacked.values()}))
    return Condition("version", f"etcd {settings.version} joins etcd {sources}", tuple(problems))


def _quorum(cluster: Cluster) -> Condition:
    rules = (
        stacked.every_member_answers,
        stacked.every_member_is_on_a_master,
        stacked.one_leader_and_only_voters,
        stacked.no_alarm,
    )
    told = "no list of members"
    if cluster.membership is not None:
        alive = {one.member_id for one in cluster.stacked.values() if one.is_healthy}
        told = cluster.membership.told(alive, lambda one: one.name or f"{one.id:x}")
    return Condition("quorum", f"{told}; all answer", tuple(p for rule in rules for p in rule(cluster)))


def _data(cluster: Cluster) -> Condition:
    found = f"HashKV equal on {len(cluster.stacked)} stacked members at revision {cluster.compared_revision}"
    rules = (stacked.contents_can_be_compared, stacked.contents_are_equal)
    return Condition("data", found, tuple(problem for rule in rules for problem in rule(cluster)))


def _trust(cluster: Cluster, joining: JoiningReadings) -> Condition:
    days = cluster.topology.settings.minimum_certificate_days
    found = joining.authorities
    problems = list(authority_problems(found, days, cluster.read_at)) if found else []
    for name in cluster.masters:
        manifest = cluster.etcd_manifest(name)
        for restriction in PEER_RESTRICTIONS:
            value = flag(manifest.command, restriction) if manifest is not None else None
            if value:
                problems.append(
                    Problem(
                        name,
                        f"--{restriction}={value} in etcd.yaml",
                        "peers accepted by the CA alone: external members have names of their own",
                        f"take that flag out, or {SNAPSHOT_INSTEAD}",
                    )
                )
    holders = [name for name, one in joining.authorities.items() if one.has_key]
    paths = ", ".join(sorted({one.key_path for one in joining.authorities.values()}))
    return Condition("trust", f"the stacked etcd's CA key, {paths}, on {', '.join(holders)}", tuple(problems))


def _timing(cluster: Cluster) -> Condition:
    settings, problems = cluster.topology.settings, []
    for name in cluster.masters:
        manifest = cluster.etcd_manifest(name)
        for word, (setting, default) in TIMING_FLAGS.items():
            found = (flag(manifest.command, word) if manifest is not None else None) or default
            ours = str(getattr(settings, setting))
            if found != ours:
                problems.append(
                    Problem(
                        name,
                        f"the stacked etcd with --{word}={found}, {setting} = {ours}",
                        "one value on all members of one cluster",
                        f"set {setting} = {found}, or {SNAPSHOT_INSTEAD}",
                    )
                )
    found = (
        f"heartbeat {settings.etcd_heartbeat_interval_milliseconds} ms and election"
        f" {settings.etcd_election_timeout_milliseconds} ms on old and new members"
    )
    return Condition("timing", found, tuple(problems))


def _ports(cluster: Cluster, joining: JoiningReadings) -> Condition:
    """Nobody listens on the new hosts yet: that an answer comes at all is what can be seen."""
    problems = [
        Problem(
            name,
            f"{one.outcome} for a connection to {one.address}:{one.port}",
            "a member that listens there"
            if name in cluster.etcd_hosts
            else "an answer, if only that nothing listens there yet",
            f"open TCP {one.port} between masters and etcd hosts in both directions, or {SNAPSHOT_INSTEAD}",
        )
        for name, tried in joining.connections.items()
        for one in tried
        if not (one.outcome == CONNECTED if name in cluster.etcd_hosts else one.is_answered)
    ]
    port = cluster.topology.settings.etcd_peer_port
    found = (
        "the stacked members' peer ports take connections from every etcd host; the masters' connections to"
        f" {port} there are answered at once (nothing listens there yet: a filter that refuses with a reset"
        " looks the same)"
    )
    return Condition("peer ports", found, tuple(problems))


def _round_trips(cluster: Cluster, joining: JoiningReadings) -> Condition:
    heartbeat = cluster.topology.settings.etcd_heartbeat_interval_milliseconds
    times = [
        (name, one, one.seconds * 1000)
        for name, tried in joining.connections.items()
        for one in tried
        if one.seconds is not None
    ]
    problems = [
        Problem(
            name,
            f"{milliseconds:.0f} ms for a connection to {one.address}:{one.port}",
            f"a round trip below the heartbeat's interval, {heartbeat} ms",
            "move the members closer together, or raise etcd_heartbeat_interval_milliseconds on old and new"
            f" members alike, or {SNAPSHOT_INSTEAD}",
        )
        for name, one, milliseconds in times
        if milliseconds >= heartbeat
    ]
    slowest = max((milliseconds for _, _, milliseconds in times), default=0.0)
    return Condition(
        "round trip", f"at most {slowest:.1f} ms to connect; heartbeat {heartbeat} ms", tuple(problems)
    )


def _disks(cluster: Cluster, joining: JoiningReadings) -> Condition:
    """A leader whose log takes longer to write than a heartbeat's interval is taken for dead."""
    settings = cluster.topology.settings
    heartbeat, guide = settings.etcd_heartbeat_interval_milliseconds, "etcd's guide: 99 of 100 below 10 ms"
    problems, told = [], []
    for name, seconds in joining.sync_seconds.items():
        writes = sorted(one * 1000 for one in seconds)
        told.append(f"{name} {median(writes):.1f} ms, slowest {writes[-1]:.1f}")
        # One that was late may be a hiccup of whatever shares the disk.
        if writes[-2] > heartbeat:
            problems.append(
                Problem(
                    name,
                    f"{len(writes)} small writes to the disk of {settings.etcd_data_directory}, the slowest"
                    f" two {writes[-1]:.0f} and {writes[-2]:.0f} ms",
                    f"at most the heartbeat's interval, {heartbeat} ms ({guide})",
                    f"give etcd a faster disk, or {SNAPSHOT_INSTEAD}",
                )
            )
    return Condition("disks", f"a write takes {'; '.join(told)} ({guide})", tuple(problems))
