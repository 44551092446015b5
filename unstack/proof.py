"""The proof that the external cluster holds what the stacked one held: nothing less, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from unstack.members import Content, MemberStatus
from unstack.problems import Problem
from unstack.topology import Topology

AGAIN = "run the migration again; the stacked cluster is untouched"


@dataclass(frozen=True)
class Proof:
    """Both sides at one revision, member by member."""

    revision: int
    old: Mapping[str, MemberStatus]
    new: Mapping[str, MemberStatus]

    def as_json(self) -> dict[str, Any]:
        """{"revision", "old": [...], "new": [...]}, a row a member, for the outcome of a run."""
        return {"revision": self.revision, "old": _rows(self.old), "new": _rows(self.new)}

    def problems(self, topology: Topology) -> Iterator[Problem]:
        """Everything that differs from the stacked cluster or from the topology."""
        yield from self._equal_contents()
        yield from self._membership(topology)

    def _equal_contents(self) -> Iterator[Problem]:
        # HashKV is comparable only at equal compact revisions, which are compared with it.
        reference_name, reference = next(iter(self.old.items()))
        for name, status in (*self.old.items(), *self.new.items()):
            for field, expected, found in _differences(reference.content, status.content):
                # Two stacked members were read at two moments, between which a lease can run out.
                if field == "leases" and name in self.old:
                    continue
                yield Problem(
                    name,
                    f"{field} {found} at revision {self.revision}",
                    f"{expected}, as the stacked member on {reference_name}",
                    AGAIN,
                )

    def _membership(self, topology: Topology) -> Iterator[Problem]:
        expected = {(member.name, (member.peer_url,)) for member in topology.members}
        leaders = {status.leader for status in self.new.values()}
        if len(leaders) != 1 or 0 in leaders:
            yield Problem("cluster", f"leaders {sorted(leaders)}", "one leader that all members name", AGAIN)
        for name, status in self.new.items():
            listed = {(member.name, member.peer_urls) for member in status.members}
            if listed != expected:
                yield Problem(name, f"members {sorted(listed)}", f"{sorted(expected)}", AGAIN)
            if any(member.is_learner for member in status.members):
                yield Problem(name, "a learner", "voting members only", AGAIN)
            if not status.is_healthy:
                yield Problem(name, "no answer to a linearizable read", "a healthy member", AGAIN)
            for alarm in status.alarms:
                yield Problem(name, f"alarm {alarm}", "no alarm", AGAIN)


def _differences(expected: Content | None, found: Content | None) -> Iterator[tuple[str, Any, Any]]:
    if expected is None or found is None:
        yield "content", expected, found
        return
    for field in fields(Content):
        if field.name == "revision":
            continue  # the present revision moves on by itself: leases go on expiring
        ours, theirs = getattr(expected, field.name), getattr(found, field.name)
        # Leases go on expiring on the fenced cluster, while the restored one grants each its whole
        # time again: a lease that only the new one still has is expected, a missing one is not.
        if field.name == "leases":
            if ours - theirs:
                yield "leases", f"{sorted(ours - theirs)} too", "them missing"
        elif ours != theirs:
            yield field.name, _shown(ours), _shown(theirs)


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
            "leases": len(status.content.leases),
        }
        for name, status in side.items()
        if status.content is not None
    ]
