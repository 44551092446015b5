"""The proof that the new cluster holds what the old one held: nothing less, nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from unstack.members import Content, MemberStatus
from unstack.problems import Problem

AGAIN = "run the same task again; the old side is untouched"


@dataclass(frozen=True)
class Proof:
    """Both sides at one revision, member by member.

    The first member of either side is the one that was asked for what raft makes equal on all
    members of a cluster: member list, alarms, leases, users, roles.
    """

    revision: int
    old: Mapping[str, MemberStatus]
    new: Mapping[str, MemberStatus]

    def as_json(self) -> dict[str, Any]:
        """{"revision", "old": [...], "new": [...]}, a row a member, for the outcome of a run."""
        return {"revision": self.revision, "old": _rows(self.old), "new": _rows(self.new)}

    def problems(self, expected: Set[tuple[str, tuple[str, ...]]]) -> Iterator[Problem]:
        """Everything that differs from the old side, or from the `expected` members.

        + expected: (name, peer URLs) of each member that the new cluster is to have
        """
        yield from self._equal_contents()
        yield from self.membership_problems(expected)

    def _equal_contents(self) -> Iterator[Problem]:
        # HashKV is comparable only at equal compact revisions, which are compared with it.
        reference_name, reference = next(iter(self.old.items()))
        lead = next(iter(self.new))
        for name, status in (*self.old.items(), *self.new.items()):
            for field, expected, found in _differences(reference.content, status.content, name == lead):
                yield Problem(
                    name,
                    f"{field} {found} at revision {self.revision}",
                    f"{expected}, as the old member on {reference_name}",
                    AGAIN,
                )

    def membership_problems(self, expected: Set[tuple[str, tuple[str, ...]]]) -> Iterator[Problem]:
        """What keeps the new side from being one healthy cluster of the `expected` members."""
        # A member of another cluster would be told by its cluster id, whatever it names its leader.
        leaders = {(status.cluster_id, status.leader) for status in self.new.values()}
        if len(leaders) != 1 or any(leader == 0 for _, leader in leaders):
            found = ", ".join(f"{leader:x} of cluster {cluster:x}" for cluster, leader in sorted(leaders))
            yield Problem("cluster", f"leaders {found}", "one leader that all members name", AGAIN)
        for name, status in self.new.items():
            if not status.is_healthy:
                yield Problem(name, "no answer to a linearizable read", "a healthy member", AGAIN)
        for name, status in itertools.islice(self.new.items(), 1):
            if status.members is None or status.alarms is None:
                yield Problem(name, "no list of members and alarms", "the cluster's own lists", AGAIN)
                continue
            listed = {(member.name, member.peer_urls) for member in status.members}
            if listed != expected:
                yield Problem(name, f"members {sorted(listed)}", f"{sorted(expected)}", AGAIN)
            if any(member.is_learner for member in status.members):
                yield Problem(name, "a learner", "voting members only", AGAIN)
            for alarm in status.alarms:
                yield Problem(name, f"alarm {alarm}", "no alarm", AGAIN)


def _differences(
    expected: Content | None, found: Content | None, whole: bool
) -> Iterator[tuple[str, Any, Any]]:
    """(field, expected, found). `whole`: with what raft makes equal on all members of a cluster."""
    if expected is None or found is None:
        yield "content", expected, found
        return
    # The present revision is not compared: leases go on expiring.
    for field in ("hash", "compact_revision", "keys", *(("users", "roles") if whole else ())):
        ours, theirs = getattr(expected, field), getattr(found, field)
        if ours != theirs:
            yield field, _shown(ours), _shown(theirs)
    if not whole:
        return
    if expected.leases is None or found.leases is None:
        yield "leases", expected.leases, found.leases
    # Leases go on expiring on the fenced cluster, while the restored one grants each its whole
    # time again: a lease that only the new one still has is expected, a missing one is not.
    elif missing := sorted(expected.leases - found.leases):
        yield "leases", f"{missing} too", "them missing"


def _shown(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else value


def _rows(side: Mapping[str, MemberStatus]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "version": status.version,
            "hash": status.content.hash,
            "compact_revision": status.content.compact_revision,
            "revision": status.content.revision,
            "keys": status.content.keys,
        }
        for name, status in side.items()
        if status.content is not None
    ]
