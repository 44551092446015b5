"""Runs as a journal has them, for the tests of their reports."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.unit.cluster import topology
from unstack.report.html import render
from unstack.report.model import Report
from unstack.report.source import Line, Source

TEMPLATE = (Path(__file__).parents[2] / "templates" / "report.html.j2").read_text()
START = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
RUN = "20261124T120000Z"
MASTERS = ["master-1", "master-2", "master-3"]
MEMBERS = ["etcd-1", "etcd-2", "etcd-3"]
MIGRATION = ("preflight", "fence", "start", "prove", "cutover", "confirm")
ROLLBACK = ("way back", "fence", "return", "confirm")
HOSTILE = '<img src=x onerror="alert(1)">&\x00'


def at(moment: float, event: str, run: str = RUN, **fields: Any) -> Line:
    return {"time": (START + timedelta(seconds=moment)).isoformat(), "run": run, "event": event, **fields}


def operation(
    end: float, name: str, hosts: Sequence[str], *, seconds: float = 0.5, result: str = "ok"
) -> list[Line]:
    return [at(end, "operation", operation=name, host=host, result=result, seconds=seconds) for host in hosts]


def rows(names: Sequence[str], version: str, **changes: Any) -> list[dict[str, Any]]:
    row = {"hash": 4711, "compact_revision": -1, "revision": 1350, "keys": 934, **changes}
    return [{"name": name, "version": version, **row} for name in names]


PROOF = {"revision": 1350, "old": rows(MASTERS, "3.5.1"), "new": rows(MEMBERS, "3.5.30")}

FENCED = [
    at(1.0, "start", operation="tasks/preflight.py | Examine every host"),
    *operation(3.0, "tasks/preflight.py | Examine every host", MASTERS + MEMBERS, seconds=2.0),
    at(3.0, "stage", stage="preflight", result="ok"),
    *operation(3.0, "tasks/preflight.py | === preflight ===", MASTERS + MEMBERS, seconds=0.0),
    at(3.5, "api server", host="master-1", state="taken away"),
    at(3.6, "api server", host="master-2", state="taken away"),
    *operation(5.0, "tasks/fence.py | Fence: stop API server", MASTERS, seconds=2.0),
    at(5.0, "stage", stage="fence", result="ok"),
    at(5.2, "snapshot", host="master-1", revision=1350, sha256="f1c3", bytes=2011168),
]
MIGRATED = [
    *FENCED,
    *operation(6.5, "tasks/start.py | Start the member", MEMBERS, seconds=1.5),
    at(6.5, "stage", stage="start", result="ok"),
    at(7.0, "proof", **PROOF),
    at(7.0, "stage", stage="prove", result="ok"),
    at(16.0, "api server", host="master-2", state="ready"),
    *operation(17.0, "tasks/cutover.py | Wait for the API server on the external etcd", MASTERS, seconds=9.9),
    at(16.5, "api server", host="master-1", state="ready"),
    at(17.0, "stage", stage="cutover", result="ok"),
    at(39.0, "kubeadm", host="master-2", found="no kubeadm on this host"),
    at(40.0, "stage", stage="confirm", result="ok"),
]
REASON = "a step failed on etcd-1: tasks/start.py | Start the member"
FAILED = [
    *FENCED,
    *operation(6.5, "tasks/start.py | Start the member", ["etcd-2", "etcd-3"], seconds=1.5),
    *operation(6.8, "tasks/start.py | Start the member", ["etcd-1"], seconds=1.8, result="failed"),
    at(6.8, "stopped", reason=REASON),
]
BROUGHT_BACK = [
    *FAILED,
    at(15.5, "api server", host="master-3", state="ready"),
    at(18.0, "way back", to="stacked", masters=MASTERS, missing=[], away_seconds=12.0),
]
ROLLED_BACK = [
    *operation(1.5, "Find the way back", ["master-1"]),
    at(1.5, "stage", stage="way back", result="ok"),
    at(1.6, "api server", host="master-1", state="taken away"),
    *operation(3.0, "Fence: stop API server", MASTERS, seconds=1.4),
    at(3.0, "stage", stage="fence", result="ok"),
    at(12.0, "api server", host="master-1", state="ready"),
    *operation(14.0, "Start the API server on the stacked etcd", MASTERS, seconds=11.0),
    at(14.0, "stage", stage="return", result="ok"),
    at(30.0, "stage", stage="confirm", result="ok"),
]


def source(lines: Sequence[Line], directory: Path, **changes: Any) -> Source:
    fields: dict[str, Any] = {
        "run": RUN,
        "started": START.timestamp(),
        "finished": START.timestamp() + 41,
        "topology": topology(),
        "directory": directory,
        "planned": MIGRATION,
        "results": {},
        "changes": (),
        "lines": lines,
    }
    return Source(**{**fields, **changes})


def page(report: Report) -> str:
    return render(report, TEMPLATE)


def pictures(text: str) -> list[ET.Element]:
    return [ET.fromstring(found) for found in re.findall(r"<svg .*?</svg>", text, re.DOTALL)]
