"""The experiment of the slow deletes: what it reads, keeps and shows."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from experiments.slow_delete import reading, report, results, situations, stale_endpoint
from experiments.slow_delete.by_hand import snapshot_revision
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import phase, pod
from experiments.slow_delete.results import ApiServer, Kind, Moment, PodTiming, Results, Situation


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
            situation("before", timing(1.0, 2.0), timing(3.0, 4.0), timing(5.0, 6.0, node="master-3")),
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
    measured = [situation("before", timing(2.0, 10.0)), situation("after", timing(3.0, 11.0))]
    line = report.ratio(measured)
    assert "create to Running 2.0 s before, 3.0 s after (1.50x)" in line
    assert "delete to gone 10.0 s before, 11.0 s after (1.10x)" in line
    assert "not both measured" in report.ratio(measured[:1])


def test_what_was_seen_and_what_a_situation_is_are_in_the_report():
    text = report.render(Results(situations=(situation("h1", timing(2.0, 9.0), seen=("2 of 3 kubelets",)),)))
    assert "h1: 2 of 3 kubelets" in text
    assert "revisions went back" in text
    assert report.render(Results()) == "nothing was measured"


def test_results_are_kept_and_a_new_measurement_takes_the_place_of_the_old(tmp_path: Path):
    file = tmp_path / "slow-delete.json"
    assert results.load(file) == Results()
    found = Results().with_situation(situation("before", timing(1.0, 2.0)))
    found = found.with_situation(situation("h1", timing(None, None)))
    results.save(file, found)
    again = results.load(file).with_situation(situation("before", timing(5.0, 6.0)))
    assert [one.name for one in again.named(situations.NAMES)] == ["before", "h1"]
    assert again.named(["before"])[0].moments[0].pods[0].running_seconds == 5.0


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


def test_a_pod_is_bound_to_its_node_and_only_the_deaf_one_has_a_command():
    plain, deaf = pod("a", "cp-b"), pod("a", "cp-b", is_deaf=True)
    assert plain["spec"]["nodeName"] == deaf["spec"]["nodeName"] == "cp-b"
    assert "command" not in plain["spec"]["containers"][0]
    mounted = {mount["name"] for mount in deaf["spec"]["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in deaf["spec"]["volumes"]}


def test_failed_connections_are_told_with_how_long_they_took():
    found = stale_endpoint.parse_connections("0 0.012\n28 30.001\n7 0.100\n")
    assert found.seconds == (0.012, None, None)
    assert found.longest_failure == 30.001
    with pytest.raises(ExperimentError):
        stale_endpoint.parse_connections("curl: not found\n")


def test_a_node_is_silent_until_it_renews_its_lease():
    items = [
        {"metadata": {"name": "cp-b"}, "spec": {"renewTime": "2026-01-01T00:00:09.000000Z"}},
        {"metadata": {"name": "master-3"}, "spec": {"renewTime": "2026-01-01T00:00:11.000000Z"}},
        {"metadata": {"name": "master-1"}, "spec": {}},
    ]
    since = datetime(2026, 1, 1, 0, 0, 10, tzinfo=timezone.utc)
    nodes = ["master-1", "cp-b", "master-3"]
    assert situations.silent_nodes(json.dumps({"items": items}), nodes, since) == ["master-1", "cp-b"]


def test_an_unknown_situation_is_refused_with_the_names_that_there_are():
    assert [plan.name for plan in situations.named(["after", "h2"])] == ["h2", "after"]
    with pytest.raises(ExperimentError, match="no situation is called h4; there are before"):
        situations.named(["h4"])
