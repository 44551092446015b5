"""What etcd stores, key by key and member by member, read by etcdctl: whether it is the same history.

A live migration copies nothing: the cluster's id, its revisions and each key's own numbers go on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from demo.errors import DemoError
from demo.hosts import output
from lab import Lab, Node

Etcdctl = Callable[..., str]
# A page begins with the last key of the one before, so that it has to be more than one.
_PAGE = 500


@dataclass(frozen=True)
class Key:
    """A key's numbers: the revisions that made and last changed it, and how often it was written."""

    create_revision: int
    mod_revision: int
    version: int


@dataclass(frozen=True)
class Hash:
    """HashKV of one member; only hashes of one compact revision can be compared."""

    hash: int
    compact_revision: int


@dataclass(frozen=True)
class Stored:
    """A cluster at one revision: its id, each member's hash by endpoint, and every key."""

    cluster_ids: frozenset[int]
    revision: int
    hashes: Mapping[str, Hash]
    keys: Mapping[str, Key]


def of_stacked(lab: Lab) -> Etcdctl:
    """etcdctl of this machine, which asks the members on the masters."""
    return lab.etcdctl


def of_external(lab: Lab, node: Node) -> Etcdctl:
    """etcdctl of a member's own container."""

    def etcdctl(*arguments: str) -> str:
        # Its log goes to the standard error, which would end up in the middle of the JSON.
        command = 'docker exec etcd etcdctl "$@" 2>/dev/null'
        return output(lab, node, ["sh", "-c", command, "etcdctl", *arguments])

    return etcdctl


def read(etcdctl: Etcdctl, revision: int | None = None, *, cluster: tuple[str, ...] = ()) -> Stored:
    """What is stored at this revision, or at the newest one.

    + cluster: ("--cluster",) where etcdctl is given one endpoint, and all members are to be asked

    Raises DemoError or LabError if etcd does not answer, or knows that revision no more.
    """
    statuses = _answer(etcdctl, "endpoint", "status", *cluster)
    # Every member answers with its own; the highest is one that all of them have or will have.
    newest = max(one["Status"]["header"]["revision"] for one in statuses)
    wanted = newest if revision is None else revision
    hashes = {
        one["Endpoint"]: Hash(one["HashKV"]["hash"], one["HashKV"].get("compact_revision", -1))
        for one in _answer(etcdctl, "endpoint", "hashkv", f"--rev={wanted}", *cluster)
    }
    return Stored(
        cluster_ids=frozenset(one["Status"]["header"]["cluster_id"] for one in statuses),
        revision=wanted,
        hashes=hashes,
        keys=keys(etcdctl, wanted),
    )


def keys(etcdctl: Etcdctl, revision: int = 0) -> dict[str, Key]:
    """Every key at this revision, or now (0). Raises DemoError or LabError as `read` does.

    A page at a time: to list a page, etcd reads its values too, and writers wait for a member that reads
    hundreds of megabytes at once.
    """
    found: dict[str, Key] = {}
    start, is_more = "", True
    while is_more:
        answer = _answer(
            etcdctl, "get", start, "--from-key", "--keys-only", f"--limit={_PAGE}", f"--rev={revision}"
        )
        revision = revision or answer["header"]["revision"]
        for one in answer.get("kvs", []):
            start = base64.b64decode(one["key"]).decode(errors="replace")
            found[start] = Key(one["create_revision"], one["mod_revision"], one["version"])
        is_more = answer.get("more", False)
    return found


def problems(before: Stored, again: Stored, now: Mapping[str, Key]) -> list[str]:
    """What a migration has changed, one line each; empty if history went on.

    + before: read before the migration
    + again: read afterwards, at the revision of before
    + now: every key afterwards
    """
    return [*_same_past(before, again), *_goes_on(before.keys, now)]


def _same_past(before: Stored, again: Stored) -> Iterator[str]:
    if before.cluster_ids != again.cluster_ids or len(before.cluster_ids) != 1:
        yield f"cluster ids {_ids(before)} before and {_ids(again)} afterwards, expected one and the same"
    by_compaction: dict[int, set[int]] = {}
    for one in (*before.hashes.values(), *again.hashes.values()):
        by_compaction.setdefault(one.compact_revision, set()).add(one.hash)
    for compact_revision, hashes in by_compaction.items():
        if len(hashes) > 1:
            yield (
                f"HashKV at revision {before.revision}, compacted at {compact_revision}:"
                f" {len(hashes)} different hashes"
            )
    changed = sorted(
        key for key in before.keys.keys() | again.keys.keys() if before.keys.get(key) != again.keys.get(key)
    )
    if changed:
        yield f"{len(changed)} keys of revision {before.revision} have changed: {', '.join(changed[:3])}"


def _goes_on(before: Mapping[str, Key], now: Mapping[str, Key]) -> Iterator[str]:
    """A key that was not written since has its numbers; one that was has higher ones, of the same key."""
    for name, old in before.items():
        new = now.get(name)
        if new is None or new == old:
            continue
        made_anew = new.create_revision > old.mod_revision
        written = new.create_revision == old.create_revision and new.version > old.version
        if new.mod_revision <= old.mod_revision or not (made_anew or written):
            yield f"{name} was {old} and is {new}: no write does that"


def _ids(stored: Stored) -> str:
    return ", ".join(f"{one:x}" for one in sorted(stored.cluster_ids))


def _answer(etcdctl: Etcdctl, *arguments: str) -> Any:
    text = etcdctl(*arguments, "-w", "json")
    try:
        return json.loads(text)
    except ValueError as error:
        raise DemoError(f"etcdctl {' '.join(arguments)}: not understood: {text[:100]!r}") from error
