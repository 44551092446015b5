"""etcd members as they describe themselves, read from etcdctl's answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from unstack.observations import Report, parse_report

DELETED = 1  # mvccpb.Event.EventType


@dataclass(frozen=True)
class ListedMember:
    """A line of `etcdctl member list`."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    is_learner: bool


@dataclass(frozen=True)
class Content:
    """What a member holds at one revision.

    HashKV depends on the revision and on the compact revision, so both belong to it; it does not
    cover leases and auth, which therefore stand beside it. Those are None where only the member's
    own content was asked for: raft makes them equal on all members of a cluster.
    """

    revision: int
    hash: int
    compact_revision: int
    keys: int
    leases: frozenset[int] | None
    users: frozenset[str] | None
    roles: frozenset[str] | None


@dataclass(frozen=True)
class MemberStatus:
    """A member as it describes itself.

    `content` is None where no revision was asked for, `members` and `alarms` where only what is the
    member's own was.
    """

    cluster_id: int
    member_id: int
    version: str
    revision: int
    database_bytes: int
    leader: int  # member id, 0 for none
    raft_term: int
    is_healthy: bool  # answered a linearizable read
    members: tuple[ListedMember, ...] | None
    alarms: tuple[str, ...] | None
    content: Content | None
    is_learner: bool = False
    raft_index: int = 0  # the last entry that this member has in its log
    applied_index: int = 0  # the last entry that its store holds

    @property
    def is_leader(self) -> bool:
        """True where this member is the leader it names."""
        return self.leader == self.member_id


def _json(report: Report, key: str) -> Any:
    # etcdctl's 64 bit ids are JSON numbers: Python keeps them exact, where jq < 1.7 rounds them.
    return json.loads(report[key][0])


def read_member_status(lines: Iterable[str], *, whole: bool = True) -> MemberStatus:
    """The report of observe-member.sh; `whole` unless only the member's own was asked for.

    etcdctl leaves out fields that are zero. Raises KeyError where a question has no answer.
    """
    report = parse_report(lines)
    status = _json(report, "status")[0]["Status"]
    header = status["header"]
    return MemberStatus(
        cluster_id=header["cluster_id"],
        member_id=header["member_id"],
        version=status["version"],
        revision=header.get("revision", 0),
        database_bytes=status.get("dbSize", 0),
        leader=status.get("leader", 0),
        raft_term=status.get("raftTerm", 0),
        # A count is a linearizable read too.
        is_healthy="healthy" in report or "keys" in report,
        members=_members(report) if whole else None,
        alarms=_alarms(report) if whole else None,
        content=_content(report, whole) if "hashkv" in report else None,
        is_learner=status.get("isLearner", False),
        raft_index=status.get("raftIndex", 0),
        applied_index=status.get("raftAppliedIndex", 0),
    )


def read_revision(lines: Iterable[str]) -> int:
    """The report of observe-revision.sh."""
    revision: int = _json(parse_report(lines), "status")[0]["Status"]["header"]["revision"]
    return revision


def read_masterleases(lines: Iterable[str]) -> Mapping[str, int]:
    """The report of observe-masterleases.sh as {address: mod_revision}."""
    return {
        base64.b64decode(item["key"]).decode().rpartition("/")[2]: item["mod_revision"]
        for item in _json(parse_report(lines), "keys").get("kvs") or ()
    }


def _members(report: Report) -> tuple[ListedMember, ...]:
    return tuple(
        ListedMember(
            id=item["ID"],
            name=item.get("name", ""),
            peer_urls=tuple(item.get("peerURLs", ())),
            client_urls=tuple(item.get("clientURLs", ())),
            is_learner=item.get("isLearner", False),
        )
        for item in _json(report, "members")["members"]
    )


def _alarms(report: Report) -> tuple[str, ...]:
    return tuple(_alarm(item) for item in _json(report, "alarms").get("alarms") or ())


def _alarm(item: Mapping[str, Any]) -> str:
    # AlarmType of etcd's rpc.proto.
    name = {1: "NOSPACE", 2: "CORRUPT"}.get(item.get("alarm", 0), str(item.get("alarm")))
    return f"{name} of member {item.get('memberID', 0):x}"


def _content(report: Report, whole: bool) -> Content:
    answer = _json(report, "hashkv")[0]["HashKV"]
    return Content(
        # The store's revision now is in the header; the hash is that at the asked revision.
        revision=answer["header"]["revision"],
        hash=answer["hash"],
        compact_revision=answer.get("compact_revision", 0),
        keys=_count(report["keys"][0]),
        leases=_ids(_json(report, "leases").get("leases")) if whole else None,
        users=frozenset(_json(report, "users").get("users") or ()) if whole else None,
        roles=frozenset(_json(report, "roles").get("roles") or ()) if whole else None,
    )


def _ids(leases: Iterable[Mapping[str, int]] | None) -> frozenset[int]:
    return frozenset(item["id"] for item in leases or ())


def _count(fields: str) -> int:
    """The count in etcdctl's "fields" format: a line `"Count" : 4711`."""
    for line in fields.splitlines():
        name, _, value = line.partition(" : ")
        if name == '"Count"':
            return int(value)
    raise ValueError("no count in etcdctl's answer")


def tells_writes(report: Iterable[str]) -> bool:
    """True where the report of observe-writes.sh holds a write by a client, or not the whole history.

    A write is a put, or a deletion of anything but what runs out by itself.
    """
    lines = list(report)
    revision = read_revision(lines)
    found = parse_report(lines)
    if "events" not in found:
        return False
    last = 0
    for line in found["events"][0].splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            return True  # not a history: compacted away, or an error
        for event in answer.get("Events") or ():
            if event.get("type", 0) != DELETED or not _runs_out(event["kv"]["key"]):
                return True
            last = max(last, event["kv"].get("mod_revision", 0))
    # Every revision has an event that carries it: what ends before the present one is cut off.
    return last < revision


def _runs_out(key: str) -> bool:
    """A key, in base64, that an API server binds to a lease. With another --etcd-prefix: none."""
    return base64.b64decode(key).startswith((b"/registry/masterleases/", b"/registry/events/"))
