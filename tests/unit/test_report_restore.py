"""The report of a restore: which data the cluster has now, and where that of before is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.report_lines import MASTERS, RUN, at, operation, source
from unstack.report.build import build
from unstack.report.model import Report

STAGES = ("backup", "fence", "place", "start", "prove", "return", "confirm")
RESTORED = {"run": RUN, "file": "old.db", "sha256": "ab", "bytes": 9, "revision": 100, "bump": 10**9}
FENCED = [
    at(1.0, "stage", stage="backup", result="ok"),
    at(1.5, "api server", host="master-1", state="taken away"),
    *operation(3.0, "Fence: stop API server", MASTERS, seconds=1.4),
    at(3.0, "stage", stage="fence", result="ok"),
]
STOPPED = at(4.0, "stopped", reason="a step failed on etcd-1: Start the members on the restored data")
READY = at(9.5, "api server", host="master-1", state="ready")
BACK = at(12.0, "way back", to="external", masters=MASTERS, missing=[])


def _report(tmp_path: Path, *lines: Any, **results: Any) -> Report:
    found = {"restored": RESTORED, **results}
    return build(source(lines, tmp_path, planned=STAGES, results=found))


def test_a_restore_says_which_backup_and_where_the_data_of_before_is(tmp_path: Path) -> None:
    report = _report(tmp_path, *FENCED, READY, cutover_started=1.0)
    assert report.ending.sentence.startswith(
        "Restored: the external etcd holds the backup old.db, whose revision 100 became 1000000100"
    )
    assert "away for 8.0 s" in report.ending.sentence
    assert f"/var/lib/etcd-external/previous-{RUN}" in [one.path for one in report.kept]


@pytest.mark.parametrize(
    ("results", "data"),
    [({}, "the data of before"), ({"restored data is in use": True}, "the restored data")],
)
def test_a_stopped_restore_says_on_which_data_the_control_plane_runs(
    tmp_path: Path, results: dict[str, Any], data: str
) -> None:
    sentence = _report(tmp_path, *FENCED, STOPPED, READY, BACK, **results).ending.sentence
    assert f"the control plane runs on {data} on master-1, master-2, master-3" in sentence
    assert "a step failed on etcd-1" in sentence


def test_a_refused_restore_has_stopped_nothing(tmp_path: Path) -> None:
    sentence = _report(tmp_path, STOPPED).ending.sentence
    assert sentence.startswith("The restore was stopped, because a step failed on etcd-1")
    assert "no control plane had to be brought back" in sentence
