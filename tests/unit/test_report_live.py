"""A live migration's report: no outage is claimed, and what was compared while API servers wrote says so."""

from __future__ import annotations

from pathlib import Path

from tests.unit.report_lines import MASTERS, MEMBERS, PROOF, at, operation, page, source
from unstack.report.build import build

PLANNED = ("preflight", "grow", "switch", "shrink", "settle", "confirm")
SWITCHED = [
    *operation(3.0, "tasks/preflight.py | Examine every host", MASTERS + MEMBERS, seconds=2.0),
    at(3.0, "stage", stage="preflight", result="ok"),
    at(
        3.4,
        "backup",
        host="master-1",
        path="/var/lib/unstack/backup/s.db",
        revision=9,
        sha256="f1c3",
        bytes=7,
    ),
    at(3.5, "quorum", step="etcd-1 is about to vote", voters=3, quorum=2, may_fail=1),
    at(7.0, "proof", **PROOF, live=True),
    at(7.0, "stage", stage="grow", result="ok"),
    at(8.0, "api server", host="master-1", state="starting anew"),
    at(12.0, "api server", host="master-1", state="ready"),
    at(13.0, "stage", stage="switch", result="ok"),
]
MIGRATED = {"cutover_started": 1.0, "proof": {**PROOF, "live": True}}


def test_api_servers_that_are_switched_one_by_one_are_no_outage(tmp_path: Path) -> None:
    report = build(source(SWITCHED, tmp_path, planned=PLANNED, results=MIGRATED))
    assert report.outages == ()
    assert report.ending.result == "migrated"
    assert "one by one" in report.ending.sentence
    assert "away" not in report.ending.sentence


def test_the_only_api_server_is_away_while_it_is_switched(tmp_path: Path) -> None:
    alone = [
        {**line, "state": "taken away"} if line.get("state") == "starting anew" else line for line in SWITCHED
    ]
    report = build(source(alone, tmp_path, planned=PLANNED, results=MIGRATED))
    assert [outage.seconds for outage in report.outages] == [4.0]
    assert "the API was away for 4.0 s" in report.ending.sentence


def test_a_comparison_beside_writers_is_not_said_to_be_without_them(tmp_path: Path) -> None:
    text = page(build(source(SWITCHED, tmp_path, planned=PLANNED, results=MIGRATED)))
    assert "while API servers wrote on" in text
    assert "no API server running" not in text


def test_members_that_were_compared_after_the_stacked_ones_had_left_are_not_said_to_hold_the_same_as_those(
    tmp_path: Path,
) -> None:
    gone_on = {**MIGRATED, "proof": {**PROOF, "old": [], "live": True}}
    whole = build(source(SWITCHED, tmp_path, planned=PLANNED, results=MIGRATED))
    assert "every member holds what the stacked ones held" in whole.ending.sentence
    report = build(source(SWITCHED[:2], tmp_path, planned=PLANNED, results=gone_on))
    assert "every member holds the same" in report.ending.sentence
    assert "stacked ones" not in report.ending.sentence
    assert "one by one" not in report.ending.sentence  # it found them switched
    assert report.proof is not None
    assert {one.side for one in report.proof.members} == {"external"}


def test_the_backup_and_the_quorum_of_each_step_are_told(tmp_path: Path) -> None:
    report = build(source(SWITCHED, tmp_path, planned=PLANNED, results=MIGRATED))
    assert [(one.host, one.path) for one in report.kept if one.what.startswith("a backup")] == [
        ("master-1", "/var/lib/unstack/backup/s.db")
    ]
    assert any("etcd-1 is about to vote" in step.text and "may_fail 1" in step.text for step in report.steps)


def test_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    report = build(source(SWITCHED[:2], tmp_path, planned=PLANNED))
    assert report.ending.result == "nothing to do"
