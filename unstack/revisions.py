"""Whether an API server and etcd are one: what the one knows, against what the other has.

An API server on another store than is thought takes writes, is ready, and its lists agree with its own
etcd. Only the revisions tell, and the key that it wrote (docs/how-it-works.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unstack.observations import Report, parse_report
from unstack.problems import Problem

ACTION = (
    "compare --etcd-servers of this API server's process with its manifest; look at its log, and at etcd's"
)


@dataclass(frozen=True)
class Written:
    """The revisions that an API server told while it wrote an object."""

    listed: int  # of a list that etcd answered, before the write
    written: int  # of the object
    cached: int  # of a list that its watch cache answered, after the write


def read_written(lines: Iterable[str]) -> Written:
    """The report of api-write.sh. Raises KeyError or ValueError where it is none."""
    report = parse_report(lines)
    return Written(*(_revision(report, key) for key in ("listed", "written", "cached")))


def _revision(report: Report, key: str) -> int:
    # resourceVersion is opaque to clients by Kubernetes' rules; kube-apiserver takes etcd's revision.
    found: Mapping[str, Any] = json.loads(report[key][0])
    return int(found["metadata"]["resourceVersion"])


def read_key_revision(lines: Iterable[str]) -> tuple[int | None, str]:
    """The report of observe-key.sh: (the revision that wrote the key, or None; what was answered instead)."""
    text = parse_report(lines)["answer"][0]
    try:
        keys = json.loads(text).get("kvs") or [{}]
    except ValueError:
        return None, text
    return keys[0].get("mod_revision"), "no such key"


def revision_problems(
    name: str, found: Written, before: int, after: int, in_etcd: int | None, told: str
) -> Iterator[Problem]:
    """What does not fit, of etcd's revisions `before` and `after` the write and of the key in it.

    + in_etcd: the revision at which etcd has the written key, None where it has not
    + told: what etcd answered then
    """
    if not before <= found.listed <= after:
        yield Problem(
            name, f"a list of its API server at revision {found.listed}", _between(before, after), ACTION
        )
    if not before < found.written <= after:
        yield Problem(
            name,
            f"a write of its API server at revision {found.written}",
            _between(before + 1, after),
            ACTION,
        )
    if not found.written <= found.cached <= max(after, found.written):
        yield Problem(
            name,
            f"a watch cache of its API server at revision {found.cached}",
            _between(found.written, after),
            ACTION,
        )
    if in_etcd != found.written:
        yield Problem(
            name,
            f"what its API server wrote not in etcd at revision {found.written} ({told.strip()})",
            f"the key there, written at revision {found.written}",
            ACTION,
        )


def _between(low: int, high: int) -> str:
    return f"one from etcd's {low} to {high}"
