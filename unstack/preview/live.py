"""What of a preview is a live migration's own: one cluster whose members change, and no outage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unstack.membership import Membership
from unstack.observations import COMPONENTS
from unstack.placement import Phase, Placement
from unstack.preflight import reasons
from unstack.preview.source import RUN, FileChange, Kind, Source, becoming, removals

API_SERVER = COMPONENTS[0]


@dataclass(frozen=True)
class Step:
    """A step of the one cluster. `down`: how many of its voters do not run during it."""

    step: str
    serves: str  # which members the API servers are on
    voters: int
    down: int = 0

    @property
    def may_fail(self) -> int:
        """How many more voters may fail with the others still a quorum."""
        return self.voters - (self.voters // 2 + 1) - self.down


def steps(source: Source) -> Iterator[Step]:
    """What deploy.py would still go through, in its order, and who votes then."""
    topology = source.cluster.topology
    membership = source.cluster.membership or Membership(())
    external, voters = membership.external(topology), len(membership.voters)
    on_external = source.phase is Phase.EXTERNAL
    yield Step("now", "external" if on_external else "stacked", voters)
    for member in topology.members:
        listed = external.get(member.name)
        if listed is None:
            yield Step(f"grow: {member.name} is added as a learner", "stacked", voters)
        if listed is None or listed.is_learner:
            voters += 1
            yield Step(f"grow: {member.name} votes", "stacked", voters)
    if not on_external:
        yield Step("switch: one API server after the other", "stacked, then external", voters)
    for name in _leaving(source, membership):
        voters -= 1
        yield Step(f"shrink: {name} has left", "external", voters)
    yield Step("settle: while one member restarts", "external", voters, down=1)
    yield Step("afterwards", "external", voters)


def _leaving(source: Source, membership: Membership) -> Iterator[str]:
    """The stacked members that are left, by their masters' names in inventory order, then any others."""
    by_url = {url: one for one in membership.stacked(source.cluster.topology) for url in one.peer_urls}
    for name in source.cluster.masters:
        manifest = source.cluster.etcd_manifest(name)
        if manifest is not None and by_url.pop(manifest.peer_url, None) is not None:
            yield f"the member of {name}"
    yield from (f"the member {one.name or f'{one.id:x}'}" for one in by_url.values())


def backup_files(source: Source, name: str) -> Iterator[FileChange]:
    """The backup on the first master, before the members change."""
    if all_vote(source):
        return
    directory = source.cluster.topology.settings.backup_directory
    yield from removals(source, name, (f"{directory}/snapshot-", ".db"), "an earlier run's backup")
    yield FileChange(f"{directory}/snapshot-{RUN}.db", Kind.NEW, "a backup for a disaster, mode 0600")
    yield from becoming(source, name, f"{directory}/snapshot.json", None, "its sha256 and revision")


def all_vote(source: Source) -> bool:
    """True once every external member is a voter of the cluster."""
    membership, topology = source.cluster.membership, source.cluster.topology
    external = membership.external(topology) if membership is not None else {}
    return all(m.name in external and not external[m.name].is_learner for m in topology.members)


def is_listed(source: Source, name: str) -> bool:
    """True of an external member that the cluster has in its list."""
    membership = source.cluster.membership
    return membership is not None and name in membership.external(source.cluster.topology)


def master_processes(source: Source, name: str) -> Iterator[str]:
    """One line a process of a master that stops or starts anew."""
    master, here = source.cluster.masters[name], source.cluster.placed(name)
    pids = ", ".join(f"pid {process.pid}" for process in master.running(API_SERVER)) or "not running"
    if here is not None and here.placement is not Placement.EXTERNAL:
        yield f"{API_SERVER} ({pids}) starts anew in switch on the external members, while the others serve"
    elif pids == "not running":
        yield f"{API_SERVER} (not running) starts in switch on the external members"
    if "etcd" in master.live:
        manifest = source.cluster.etcd_manifest(name)
        data = f"; its data stays in {manifest.data_directory}" if manifest else ""
        pids = ", ".join(f"pid {process.pid}" for process in master.running("etcd")) or "not running"
        yield f"etcd ({pids}) leaves the cluster and stops in shrink, for good{data}"


def member_processes(source: Source, name: str) -> Iterator[str]:
    """The lines for the container of an external member."""
    host, settings = source.cluster.etcd_hosts[name], source.cluster.topology.settings
    what = f"container {settings.etcd_container} ({host.container or 'none'})"
    if is_listed(source, name):
        yield f"{what}, a member already, starts anew in settle, unless it has"
        return
    if not host.has_image:
        yield f"docker pull {settings.etcd_image} in prepare"
    yield f"{what} is created in prepare, joins the cluster in grow, starts anew in settle"


def standing(source: Source) -> str | None:
    """Where a live migration that is under way stands; None where none is."""
    if not source.is_live_under_way:
        return None
    membership, topology = source.cluster.membership or Membership(()), source.cluster.topology
    external, left = membership.external(topology), membership.stacked(topology)
    joined = ", ".join(f"{name} {'learns' if one.is_learner else 'votes'}" for name, one in external.items())
    places = {name: source.cluster.placed(name) for name in source.cluster.masters}
    on_external = [n for n, here in places.items() if here and here.placement is Placement.EXTERNAL]
    text = (
        f"A live migration is under way: {joined or 'no external member'}; {len(left)} of"
        f" {len(source.cluster.masters)} stacked members are left; the API servers of"
        f" {', '.join(on_external) or 'no master'} use the external ones. deploy.py would go on from there;"
    )
    if len(left) == len(source.cluster.masters):
        return f"{text} tasks/rollback.py would take the external members out again, without an outage."
    return f"{text} there is no other way than forward, until it has ended."


def strategy(source: Source) -> Iterator[str]:
    """The strategy in sentences, and with "auto" why it is this one."""
    if source.cluster.topology.settings.strategy == "auto":
        yield f'{source.cluster.strategy.value}, chosen by strategy = "auto":'
        for line in reasons(source.cluster):
            yield f"- {line}"
    yield LIVE if source.is_live else SNAPSHOT


SNAPSHOT = (
    "snapshot: the API servers are stopped, one snapshot of the fenced cluster is restored on every external"
    " member, compared, and the API servers start on it. It has an outage; no acknowledged write is lost, and"
    " revisions never go back."
)
LIVE = (
    "live: the external members join the running cluster one by one, the API servers are switched to them one"
    " by one, the stacked members leave one by one. It stays one and the same cluster, with its data,"
    " revisions and leases."
)
NO_OUTAGE = (
    "None of the API as a whole: one API server after the other starts anew, on {masters}, and the next one"
    " only when it is ready and has written and read. A client of the one that restarts has to go to another"
    " one, as in any rolling restart."
)
ONE_MASTER = "The API is away while the one API server starts anew: there is no other one meanwhile."
NO_RETURN = (
    "The departure of the first stacked member, in shrink. Up to there a run that fails takes the external"
    " members out again by itself, and so does tasks/rollback.py, without an outage. From there it goes"
    " forward; afterwards tasks/rollback.py goes back with all writes, by a snapshot and with an outage."
)
PASSED = (
    "It has been passed: a stacked member has left. deploy.py goes on; afterwards tasks/rollback.py goes back"
    " with all writes, by a snapshot and with an outage."
)


def outage(source: Source) -> str:
    """In one or two sentences."""
    masters = [master.name for master in source.cluster.topology.masters]
    return ONE_MASTER if len(masters) == 1 else NO_OUTAGE.format(masters=", ".join(masters))


def no_return(source: Source) -> str:
    """Up to where everything can go back without an outage."""
    membership = source.cluster.membership
    left = membership.stacked(source.cluster.topology) if membership is not None else ()
    return NO_RETURN if len(left) == len(source.cluster.masters) else PASSED
