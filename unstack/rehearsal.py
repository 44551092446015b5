"""What a rehearsal tells of the migration to come: how long the API will be away, part by part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from unstack.members import Content
from unstack.observations import parse_report

FILE = "rehearsal.json"
# The parts that a rehearsal does as the migration does them, by the names of their stages.
MEASURED = ("snapshot", "copy", "restore", "start", "prove")
# What a rehearsal can't try, in seconds, measured on the lab (docs/decisions.md): kubelets that stop the
# control plane, kubelets that start it, and an API server that serves until it takes its first write.
STOP_SECONDS = 1.5
KUBELET_SECONDS = 1.2
FIRST_WRITE_SECONDS = 1.0
# An API server's start, until it serves, where no master's log tells of a start that can be taken.
START_SECONDS = 5.5
# Longer ago than any start takes: another event than the one that is looked for.
_LONGEST_START_SECONDS = 300.0
# An API server and an etcd that began together came up with their whole host, which is slower.
_TOGETHER_SECONDS = 20.0
# The runtime's own time in front of each line: docker's json-file, and CRI's format.
_TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(Z|[+-]\d\d:\d\d)")


def read_api_server_start(lines: Iterable[str]) -> float | None:
    """The report of observe-apiserver-start.sh: seconds from the process's start until it served.

    None where the log tells nothing of this start, as it was rotated or lies elsewhere, and where the
    whole host came up with it: then it waited for its etcd and shared the processor with everything.
    """
    report = parse_report(lines)
    served = _written(report.get("serving", ("",))[0])
    now, up, per_second = map(float, report["boot"][0].split())
    began, etcd = (float(report[name][0]) / per_second for name in ("kube-apiserver", "etcd"))
    if served is None or abs(began - etcd) < _TOGETHER_SECONDS:
        return None
    seconds = served - (now - up + began)
    return round(seconds, 3) if 0 < seconds < _LONGEST_START_SECONDS else None


def _written(line: str) -> float | None:
    """When a line of a container's log was written, as a Unix time in seconds; None where it says nothing."""
    found = _TIME.search(line)
    if found is None:
        return None
    # RFC 3339 with "Z" and nanoseconds, which Python reads from 3.11 on only.
    whole, _, fraction = found[1].partition(".")
    zone = found[2].replace("Z", "+00:00")
    return datetime.fromisoformat(f"{whole}.{fraction.ljust(6, '0')}{zone}").timestamp()


def with_lasting_leases(content: Content, before: frozenset[int] | None) -> Content:
    """A living cluster's content, of its leases those alone that the snapshot holds for certain.

    + before: the leases that there were before the snapshot

    Those of `content` were listed after it. What is in both was there all the time, as no lease's id
    comes twice; others came or went, before the snapshot or after it.
    """
    lasting = None if before is None or content.leases is None else before & content.leases
    return replace(content, leases=lasting)


@dataclass(frozen=True)
class Expectation:
    """The outage to expect. `at` in ISO 8601, `db_bytes` of the snapshot, parts in seconds."""

    at: str
    db_bytes: int
    parts: Mapping[str, float]
    outage_s: float

    def as_json(self) -> str:
        """rehearsal.json."""
        return json.dumps(asdict(self), indent=2) + "\n"


def expect(at: str, db_bytes: int, stages: Mapping[str, float], starts: Mapping[str, float]) -> Expectation:
    """From what was measured: stages in seconds, and each API server's start, as far as it is known.

    The first API server that serves ends the outage, so the shortest start counts.
    """
    start = min(starts.values(), default=START_SECONDS)
    parts = {
        "fence": STOP_SECONDS,
        **{stage: stages[stage] for stage in MEASURED},
        "cutover": round(KUBELET_SECONDS + start + FIRST_WRITE_SECONDS, 3),
    }
    return Expectation(at, db_bytes, parts, round(sum(parts.values()), 1))
