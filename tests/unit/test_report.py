"""The report of a run: what it says of a success, of a failure that was mended, and of a rollback."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from tests.unit.cluster import topology
from tests.unit.report_lines import (
    FAILED,
    FENCED,
    MASTERS,
    MEMBERS,
    MIGRATED,
    MIGRATION,
    PROOF,
    ROLLBACK,
    ROLLED_BACK,
    RUN,
    at,
    operation,
    page,
    pictures,
    rows,
    source,
)
from unstack.guard import Guard
from unstack.journal import Journal
from unstack.report.build import build
from unstack.report.leave import leave_report, write_report
from unstack.report.model import Report
from unstack.report.source import read_lines


def test_names_every_stage_with_its_duration(migrated: Report) -> None:
    stages = [(one["name"], one["seconds"]) for one in json.loads(migrated.as_json())["stages"]]
    assert stages == [
        ("plan", 1.0),
        ("preflight", 2.0),
        ("fence", 2.0),
        ("start", 1.5),
        ("prove", 0.5),
        ("cutover", 10.0),
        ("confirm", 23.0),
    ]


def test_says_in_one_sentence_how_it_ended(
    migrated: Report, brought_back: Report, rolled_back: Report
) -> None:
    assert [one.ending.result for one in (migrated, brought_back, rolled_back)] == [
        "migrated",
        "brought back",
        "rolled back",
    ]
    assert "every member holds what the stacked ones held" in migrated.ending.sentence
    assert "nothing was lost" in brought_back.ending.sentence
    assert "a step failed on etcd-1: start, Start the member" in brought_back.ending.sentence
    assert "everything written since" in rolled_back.ending.sentence
    for report in (migrated, brought_back, rolled_back):
        assert report.ending.sentence.count(".\n") == 0
        assert f"<h1>{report.ending.sentence}</h1>" in page(report)


def test_the_outage_lasts_from_the_first_fence_to_the_first_ready_api_server(migrated: Report) -> None:
    [outage] = migrated.outages
    assert (outage.start, outage.end, outage.seconds) == (3.5, 16.0, 12.5)
    assert "API away 12.5 s" in page(migrated)


def test_an_outage_that_a_killed_run_began_counts_from_there(tmp_path: Path) -> None:
    killed = [at(-60, "api server", run="20261124T115830Z", host="master-1", state="taken away")]
    own = [line for line in MIGRATED if line.get("state") != "taken away"]
    [outage] = build(source([*killed, *own], tmp_path)).outages
    assert (outage.seconds, outage.began_in) == (76.0, "20261124T115830Z")


def test_an_outage_of_another_run_is_not_this_ones(tmp_path: Path) -> None:
    earlier = [
        at(-60, "api server", run="20261124T115830Z", host="master-1", state="taken away"),
        at(-50, "api server", run="20261124T115830Z", host="master-1", state="ready"),
    ]
    report = build(source([*earlier, *operation(1.0, "Examine every host", MASTERS)], tmp_path))
    assert report.outages == ()
    assert report.ending.result == "nothing to do"


def test_an_api_that_is_still_away_is_told(tmp_path: Path) -> None:
    report = build(source(FAILED, tmp_path))
    assert report.outages[0].seconds is None
    assert report.ending.result == "stopped"
    assert "the API was still away when the run ended" in report.ending.sentence
    assert "still, at the end of the run" in page(report)


def test_every_host_has_a_lane(migrated: Report) -> None:
    assert [lane.host for lane in migrated.hosts] == MASTERS + MEMBERS
    timeline = pictures(page(migrated))[0]
    assert set(MASTERS + MEMBERS) <= {element.text for element in timeline.iter("text")}
    # Barriers are no work.
    assert [one.name for one in migrated.hosts[0].operations] == [
        "Examine every host",
        "Fence: stop API server",
        "Wait for the API server on the external etcd",
    ]


def test_a_failure_is_marked_on_its_host_and_its_stage(brought_back: Report) -> None:
    failed = [(lane.host, one.name) for lane in brought_back.hosts for one in lane.operations if one.failed]
    assert failed == [("etcd-1", "Start the member")]
    assert [(one.name, one.result) for one in brought_back.stages][-2:] == [
        ("start", "failed"),
        ("way back", "way back"),
    ]
    timeline = pictures(page(brought_back))[0]
    crosses = [one.findtext("title", "") for one in timeline.iter("path") if one.get("class") == "cross"]
    assert any("on etcd-1: failed" in tip for tip in crosses)
    assert "start failed" in crosses
    assert "✕ etcd-1 failed" in page(brought_back)


def test_a_run_that_succeeded_marks_no_failure(migrated: Report) -> None:
    assert 'class="cross"' not in page(migrated)


def test_masters_that_were_not_brought_back_are_named(tmp_path: Path) -> None:
    back = at(18.0, "way back", to="external", masters=["master-1"], missing=["master-3"])
    sentence = build(source([*FAILED, back], tmp_path)).ending.sentence
    assert "on the external etcd on master-1;" in sentence
    assert "not on master-2" in sentence
    assert "master-3 could not be reached" in sentence


def test_the_proof_names_each_side_also_when_it_goes_back(migrated: Report, rolled_back: Report) -> None:
    for report in (migrated, rolled_back):
        assert report.proof is not None
        assert report.proof.equal
        assert {one.name: one.side for one in report.proof.members} == {
            **dict.fromkeys(MASTERS, "stacked"),
            **dict.fromkeys(MEMBERS, "external"),
        }


def test_a_proof_of_different_members_is_not_called_equal(tmp_path: Path) -> None:
    proof = {**PROOF, "new": rows(MEMBERS, "3.5.30", keys=933)}
    report = build(source([*FENCED, at(7.0, "proof", **proof)], tmp_path))
    assert report.proof is not None
    assert not report.proof.equal
    assert "The members differ." in page(report)


def test_draws_before_and_after_with_names_and_addresses(migrated: Report, brought_back: Report) -> None:
    _, before, after = pictures(page(migrated))
    for picture in (before, after):
        texts = {element.text for element in picture.iter("text")}
        assert {"master-1", "172.30.0.11", "etcd-3", "172.30.0.33"} <= texts
    assert "not in use" in {element.text for element in before.iter("text")}
    assert "etcd at rest" in {element.text for element in after.iter("text")}
    assert len(pictures(page(brought_back))) == 2  # nothing has moved


def test_shows_the_certificates_that_are_there(pki_directory: Path) -> None:
    (pki_directory / "broken.crt").write_text("no certificate")
    now = datetime.now(timezone.utc).timestamp()
    report = build(source(MIGRATED, pki_directory.parent, finished=now))
    found = {one.path: one for one in report.certificates}
    assert found["members/etcd-1/server.crt"].common_name == "etcd-1"
    assert "localhost" in found["members/etcd-1/server.crt"].alternative_names
    assert found["apiserver-client.crt"].common_name == "kube-apiserver-etcd-client"
    assert found["ca.crt"].days_left in (3649, 3650)
    assert found["broken.crt"].not_after is None
    assert "could not be read" in page(report)
    assert "PRIVATE KEY" not in page(report) + report.as_json()


def test_diffs_show_what_changed_in_each_manifest(migrated: Report) -> None:
    assert [diff.host for diff in migrated.diffs] == MASTERS
    changed = [line for line in migrated.diffs[0].lines if re.match(r"[+-] ", line)]
    assert changed == [
        "-    - --etcd-servers=https://127.0.0.1:2379",
        "+    - --etcd-servers=https://172.30.0.31:2379",
    ]


@pytest.mark.parametrize("name", ["migrated", "brought_back", "rolled_back"])
def test_pictures_are_well_formed_and_drawn_within_their_frame(
    name: str, request: pytest.FixtureRequest
) -> None:
    found = pictures(page(request.getfixturevalue(name)))
    assert len(found) >= 2
    for picture in found:
        _, _, width, height = map(float, picture.attrib["viewBox"].split())
        for box in picture.iter("rect"):
            assert 0 <= float(box.attrib["x"]) <= float(box.attrib["x"]) + float(box.attrib["width"]) <= width
            assert float(box.attrib["y"]) + float(box.attrib["height"]) <= height


def test_steps_are_folded_and_told_once_for_all_hosts(migrated: Report) -> None:
    fence = [step for step in migrated.steps if step.text == "Fence: stop API server"]
    assert [one.host for one in fence[0].hosts] == MASTERS
    assert (fence[0].task, fence[0].start) == ("fence", 3.0)
    folded = page(migrated).rsplit("<details>", 1)[1]
    assert "Fence: stop API server" in folded.split("</details>")[0]


def test_tells_what_kubeadm_made_of_it_and_where_it_could_not_be_asked(migrated: Report) -> None:
    assert "master-2: no kubeadm on this host" in [step.text for step in migrated.steps]
    assert "master-2: no kubeadm on this host" in page(migrated)


def test_says_how_to_roll_back_and_what_is_kept(migrated: Report, brought_back: Report) -> None:
    assert migrated.way_back.command.endswith("tasks/rollback.py")
    assert brought_back.way_back.command.endswith("deploy.py")
    kept = {(one.host, one.path) for one in migrated.kept}
    assert ("master-1, master-2, master-3", "/etc/kubernetes/unstack/stacked") in kept
    assert ("master-1", f"/var/lib/unstack/snapshot-{RUN}.db") in kept


def test_says_that_there_is_no_way_back_to_a_decommissioned_etcd(tmp_path: Path) -> None:
    report = build(source(MIGRATED, tmp_path, results={"cutover_started": 0.0, "decommissioned": True}))
    assert report.way_back.command == ""
    assert "there is no way back" in report.way_back.text.lower()
    assert "/var/lib/etcd" not in " ".join(one.path for one in report.kept)
    assert 'class="command"' not in page(report)


def test_names_the_versions_that_took_part(migrated: Report) -> None:
    found = {one.what: one.version for one in migrated.versions}
    assert found["stacked etcd, as its members say"] == "3.5.1"
    assert found["external etcd, as its members say"] == "3.5.30"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["unstack"])
    assert found["image of the external members"] == "etcd:v3.5.30"
    assert "kube-apiserver" in found


def test_a_rollback_of_nothing_says_so(tmp_path: Path) -> None:
    report = build(source(ROLLED_BACK[:2], tmp_path, planned=ROLLBACK, results={"nothing to confirm": True}))
    assert report.ending.result == "nothing to do"
    assert "stacked etcd" in report.ending.sentence


def test_both_files_are_their_owners_alone(tmp_path: Path) -> None:
    directory = write_report(source(MIGRATED, tmp_path / "lab"))
    assert directory == tmp_path / "lab" / "reports" / RUN
    for path in (directory.parent, directory, directory / "report.html", directory / "report.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_torn_lines_of_a_journal_are_left_out(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    whole = json.dumps(at(1.0, "stage", stage="fence", result="ok"))
    journal.write_text(f'{whole}\n{{"time": "2026-\n[]\n{{"event": "stage"}}\n{whole}\n')
    assert [line["stage"] for line in read_lines(journal)] == ["fence", "fence"]


def test_a_stopped_run_leaves_one_after_it_was_mended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "lab", RUN)

    def mend() -> None:
        journal.record("way back", to="stacked", masters=MASTERS, missing=[])

    run: Any = SimpleNamespace(
        id=RUN,
        started=time.time() - 1,
        topology=topology(),
        directory=tmp_path / "lab",
        journal=journal,
        planned=dict.fromkeys(MIGRATION),
        results={},
        changes=[],
        lock=None,
        on_failure=mend,
    )
    state: Any = SimpleNamespace(
        failed_hosts=[SimpleNamespace(name="etcd-1")],
        get_op_meta=lambda op_hash: SimpleNamespace(names={"tasks/start.py | Start the member"}),
    )
    with pytest.raises(DeployError):
        Guard(run).operation_end(state, "an operation")
    report = json.loads((tmp_path / "lab" / "reports" / RUN / "report.json").read_text())
    assert report["ending"]["result"] == "brought back"
    assert "etcd-1" in report["ending"]["sentence"]


def test_a_report_that_cannot_be_written_does_not_fail_the_run() -> None:
    leave_report(object())  # type: ignore[arg-type]  # without anything that a run has


def test_a_run_without_lines_still_has_a_page(tmp_path: Path) -> None:
    assert "Nothing to do" in page(build(source([], tmp_path)))
