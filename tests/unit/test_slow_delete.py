"""The experiment of the slow deletes: what it reads, keeps and shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.slow_delete import reading, report, results, situations
from experiments.slow_delete.by_hand import snapshot_revision
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import phase, pod
from experiments.slow_delete.results import ApiServer, Kind, Moment, PodTiming, Results, Situation
from experiments.slow_delete.stale_endpoint import dialled


def timing(
    running: float | None,
    gone: float | None,
    kind: Kind = "new",
    node: str = "cp-b",
    was_deleted: bool = True,
) -> PodTiming:
    return PodTiming(
        kind=kind,
        api_server="master-1",
        node=node,
        running_seconds=running,
        gone_seconds=gone,
        was_deleted=was_deleted,
    )


def server(listed: int, low: int, high: int) -> ApiServer:
    return ApiServer(
        master="master-1",
        etcd_servers=("https://127.0.0.1:2379",),
        list_revision=listed,
        cache_revision=90,
        etcd_revision=(low, high),
    )


def situation(name: str, *pods: PodTiming, seen: tuple[str, ...] = ()) -> Situation:
    return Situation(
        name=name,
        begun="2026-01-02T03:04:05+00:00",
        give_up_seconds=60,
        moments=(Moment(title="a moment", api_servers=(server(100, 99, 101),), pods=pods),),
        seen=seen,
    )


def test_waits_that_were_given_up_are_counted_and_do_not_pass_for_short_ones():
    assert report.Spread.of([2.0, None, 4.0, 9.0]) == report.Spread(4, 1, 4.0, 9.0)
    assert report.Spread.of([None]) == report.Spread(1, 1, None, None)
    assert report.Spread.of([]) == report.Spread(0, 0, None, None)


def test_a_pod_that_never_ran_is_not_counted_as_one_that_could_not_be_deleted():
    text = report.pods([situation("h1", timing(None, None, was_deleted=False), timing(3.0, 8.0))])
    line = text.splitlines()[-1].split()
    # n, to Running: median, longest, given up; to gone: median, longest, given up.
    assert line[-7:] == ["2", "3.0", "3.0", "1", "8.0", "8.0", "0"]


def test_how_a_standing_pod_came_up_is_not_told_as_a_time_of_the_situation():
    line = report.pods([situation("h1", timing(3.0, None, "standing"))]).splitlines()[-1].split()
    assert line[-7:] == ["1", "-", "-", "-", "-", "-", "1"]


def test_each_place_has_its_own_line_and_each_situation_its_column():
    text = report.by_place(
        [
            situation("migrated", timing(1.0, 2.0), timing(3.0, 4.0), timing(5.0, 6.0, node="master-3")),
            situation("h2", timing(7.0, None), timing(None, None, was_deleted=False)),
        ]
    )
    assert text.splitlines()[2:] == [
        "master-1  cp-b      2.0 / 3.0  7.0! / -",
        "master-1  master-3  5.0 / 6.0  -",
    ]


def test_a_list_agrees_with_an_etcd_that_had_its_revision_meanwhile():
    assert report.agrees(server(100, 99, 101))
    assert report.agrees(server(100, 100, 100))
    assert not report.agrees(server(100, 101, 105))
    assert not report.agrees(server(100, 90, 99))


def test_the_pods_after_the_migration_are_told_beside_those_before_it():
    before, after = (situation("migrated", timing(*times)).moments for times in ((2.0, 10.0), (3.0, 11.0)))
    measured = situation("migrated").model_copy(update={"moments": before + after})
    line = report.ratio([measured])
    assert "create to Running 2.0 s before, 3.0 s after (1.50x)" in line
    assert "delete to gone 10.0 s before, 11.0 s after (1.10x)" in line
    assert "not measured" in report.ratio([situation("h1", timing(2.0, 10.0))])


def test_a_median_without_the_pods_that_were_given_up_is_not_compared():
    before, after = (
        situation("migrated", timing(2.0, gone), timing(2.0, 8.0)).moments for gone in (None, 12.0)
    )
    line = report.ratio([situation("migrated").model_copy(update={"moments": before + after})])
    assert "delete to gone given up 1 of 2 before, 0 of 2 after" in line
    assert "create to Running 2.0 s before, 2.0 s after (1.00x)" in line


def test_what_was_seen_and_what_a_situation_is_are_in_the_report():
    text = report.render(Results(situations=(situation("h1", timing(2.0, 9.0), seen=("2 of 3 kubelets",)),)))
    assert "h1: 2 of 3 kubelets" in text
    assert "revisions went back" in text
    assert report.render(Results()) == "nothing was measured"


def test_results_are_kept_and_a_new_measurement_takes_the_place_of_the_old(tmp_path: Path):
    file = tmp_path / "slow-delete.json"
    assert results.load(file) == Results()
    found = Results().with_situation(situation("migrated", timing(1.0, 2.0)))
    found = found.with_situation(situation("h1", timing(None, None)))
    results.save(file, found)
    again = results.load(file).with_situation(situation("migrated", timing(5.0, 6.0)))
    assert [one.name for one in again.named(situations.NAMES)] == ["migrated", "h1"]
    assert again.named(["migrated"])[0].moments[0].pods[0].running_seconds == 5.0


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path):
    file = tmp_path / "slow-delete.json"
    file.write_text('{"situations": [{"name": "h1"}]}')
    with pytest.raises(ExperimentError, match="not results of this experiment"):
        results.load(file)


def test_revisions_are_read_from_what_etcd_and_kubernetes_print():
    status = json.dumps([{"Status": {"header": {"revision": revision}}} for revision in (41, 43)])
    assert reading.status_revision(status) == 43
    assert snapshot_revision('{"hash":1,"revision":2044,"totalKey":9,"totalSize":4096}') == 2044
    assert reading.list_revision({"metadata": {"resourceVersion": "77"}}) == 77
    for text in ("", "[]", "{}"):
        with pytest.raises(ExperimentError):
            reading.status_revision(text)
    with pytest.raises(ExperimentError):
        snapshot_revision("[]")
    with pytest.raises(ExperimentError):
        reading.list_revision({"metadata": {}})


def test_a_phase_is_read_of_a_pod_alone():
    assert phase({"status": {"phase": "Running"}}) == "Running"
    # A Status object, which an error is, has a text there.
    assert phase({"kind": "Status", "status": "Failure"}) == ""
    assert phase({}) == ""


def test_a_pod_is_bound_to_its_node_without_the_scheduler():
    made = pod("a", "cp-b")
    assert made["spec"]["nodeName"] == "cp-b"
    assert made["metadata"]["name"] == "a"


def test_an_unknown_situation_is_refused_with_the_names_that_there_are():
    assert [plan.name for plan in situations.named(["h2", "h1"])] == ["h1", "h2"]
    with pytest.raises(ExperimentError, match="no situation is called h4; there are migrated"):
        situations.named(["h4"])


def test_a_connection_that_was_never_made_is_told_from_one_that_was():
    assert dialled("0.012345 0.020000") == "answered after 0.01 s"
    assert dialled("0.000000 30.000512") == "given up after 30.0 s"
    with pytest.raises(ExperimentError, match="not understood"):
        dialled("curl: (7)")
