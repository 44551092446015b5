"""The fault matrix without a lab: its rows, its verdicts, and how it reads what a run left."""

import dataclasses
import json
import signal

import pytest

from faults import points, report, rows
from faults.__main__ import main
from faults.control_plane import ControlPlane
from faults.errors import FaultError
from faults.fault import Fault
from faults.journal import Place
from faults.output import error_lines
from faults.runs import Ended
from faults.verdict import Evidence, RowResult, problems
from lab.shape import Shape, plan
from tests.commands import REPOSITORY

HOSTS = ("master-1", "master-2", "master-3", "etcd-1", "etcd-2", "etcd-3")
REFUSAL = "    etcd-2: found a disk that is full; expected space; to do: free some\n"
STAGES = ("fence", "snapshot", "restore")
LAB = plan(Shape(), "10.0.0.0/24")
OLD, NEW, DOWN = ControlPlane("old"), ControlPlane("new"), ControlPlane("down", ("no API server",))


def ended(status=0, output="", **changed):
    return Ended(
        **{"begun": 1.0, "seconds": 2.0, "is_overdue": False, "journal": ""} | changed,
        status=status,
        output=output,
    )


def fault(**changed):
    fields = {"name": "a-fault", "stage": "restore", "point": "before-restore", "what": "something"}
    return Fault(**{**fields, "inject": lambda _: None, **changed})


KILL = fault(is_kill=True, expects=frozenset({"down"}))


def evidence(**changed):
    fields = {
        "faulty": ended(1, REFUSAL),
        "place": Place("restore", "Restore"),
        "afterwards": OLD,
        "following": ended(0),
        "final": NEW,
        "away_seconds": 4.25,
        "longest_gap_seconds": 21.5,
        "acknowledged": 900,
        "lost": [],
    }
    return Evidence(**{**fields, **changed})


def killed(**changed):
    return evidence(**{"faulty": ended(-signal.SIGKILL), "afterwards": DOWN, **changed})


def found(row, seen):
    return problems(row, seen, HOSTS)


# The rows.


def stages_of(strategy):
    return points.stages((REPOSITORY / "deploy.py").read_text(), strategy)


def test_reads_the_stages_of_a_strategy_from_the_deploy_file():
    tasks = {path.stem for path in (REPOSITORY / "tasks").glob("*.py")}
    snapshot, live = stages_of(points.SNAPSHOT), stages_of(points.LIVE)
    assert snapshot[:3] == live[:3] == ("preflight", "pki", "prepare")
    assert live[3:] == ("grow", "switch", "shrink", "settle", "confirm")
    assert (snapshot[3], snapshot[-1]) == ("fence", "confirm")
    assert tasks >= {*snapshot, *live}
    with pytest.raises(ValueError, match="includes no task"):
        points.stages("local.excluded('tasks/fence.py')", points.SNAPSHOT)


def test_every_row_aims_at_a_stage_and_waits_at_a_point_that_exist():
    for row in rows.ROWS:
        stages = stages_of(row.strategy)
        assert row.stage in stages, row.name
        assert row.point in {points.before(stage) for stage in stages}, row.name
        assert row.point == points.before(row.stage) or not row.is_kill, row.name
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)


@pytest.mark.parametrize(("strategy", "first"), [(points.SNAPSHOT, "fence"), (points.LIVE, "grow")])
def test_kills_the_controller_in_every_stage_that_changes_the_cluster(strategy, first):
    stages = stages_of(strategy)
    killed = [row.stage for row in rows.ROWS if row.is_kill and row.strategy == strategy]
    assert list(dict.fromkeys(killed)) == list(stages[stages.index(first) :])


def test_every_live_row_is_one_in_which_the_api_stays():
    live = [row for row in rows.ROWS if row.strategy == points.LIVE]
    assert live
    assert all(row.away_seconds is not None for row in live)
    # No two of them aim at one step.
    kills = [row for row in live if row.is_kill]
    assert len({(row.stage, row.operation) for row in kills}) == len(kills)


def test_selects_rows_by_name_in_the_order_of_the_matrix():
    assert [row.name for row in rows.named(["kill-start", "kill-fence"])] == ["kill-fence", "kill-start"]
    assert 0 < len(rows.short()) < len(rows.ROWS)
    with pytest.raises(FaultError, match="no fault is called such"):
        rows.named(["kill-start", "such"])


def test_lists_the_rows_without_a_lab(capsys):
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(row.name in listed for row in rows.ROWS)
    assert main(["--list", "--only", "such"]) == 1
    assert "FAILED: no fault is called such" in capsys.readouterr().out


# What a run said.


@pytest.mark.parametrize(
    "line",
    [
        "    etcd-2: found a disk that is full; expected space; to do: free some",
        "    [etcd-2]   etcd-2: found data; expected none; to do: move it away. It was not touched.",
        "[master-1] found kube-apiserver.yaml changed; expected no edit; to do: run it again",
        "    command line: found --serial; expected every host at once; to do: run without it",
        "--> Operation error in unstack/run.py line 7: etcd-1: found x; expected y; to do: z",
        "--> the old control plane is back on master-1, master-2; to do: mend what failed",
        "--> master-3 could not be reached; to do: look at master-3; then run deploy.py again",
    ],
)
def test_takes_a_line_that_says_where_what_and_what_to_do(line):
    assert error_lines(f"before\n{line}\nafter\n", HOSTS) == [line.strip()]


@pytest.mark.parametrize(
    "line",
    [
        "    [etcd-2] etcdutl snapshot restore failed: no space left on device",
        "    etcd-2: found a disk that is full; expected space",
        "    found a disk that is full; expected space; to do: free some",
        "--> no API server could be brought back; to do: try again",
        "--> the old control plane is back on master-11; to do: mend what failed",
        "--> Stopped on all hosts, because a step failed on etcd-2",
    ],
)
def test_leaves_a_line_out_that_lacks_any_of_it(line):
    assert error_lines(line, HOSTS) == []


# The verdict.


def test_a_fault_that_was_told_and_mended_has_passed():
    assert found(fault(), evidence()) == []
    assert found(KILL, killed()) == []


def test_a_run_that_failed_has_to_say_why_and_without_a_traceback():
    (line,) = found(fault(), evidence(faulty=ended(1, "it failed\n")))
    assert line.startswith("no line of the faulty run says what is wrong")
    traceback = REFUSAL + "Traceback (most recent call last):\n"
    assert found(fault(), evidence(faulty=ended(1, traceback))) == ["the faulty run showed a traceback"]
    assert found(fault(), evidence(following=ended(0, traceback))) == ["the next deploy showed a traceback"]


def test_a_run_ends_with_status_0_or_1_and_in_its_time():
    assert "exit status 2" in found(fault(), evidence(faulty=ended(2, REFUSAL)))[0]
    assert "exit status -9" in found(fault(), evidence(faulty=ended(-9, REFUSAL)))[0]
    overdue = ended(-9, is_overdue=True)
    assert "did not end by itself within 600 s" in found(fault(), evidence(faulty=overdue))[0]


def test_a_kill_that_missed_its_stage_shows_nothing():
    (line,) = found(KILL, killed(place=Place("start", "Start")))
    assert line == "the aim missed: the run was killed in start: Start; expected restore"
    second = dataclasses.replace(KILL, operation="Restore the second")
    (line,) = found(second, killed())
    assert line.endswith("was killed in restore: Restore; expected restore: Restore the second")
    assert found(second, killed(place=Place("restore", "Restore the second member"))) == []
    (line,) = found(KILL, killed(place=None))
    assert "it had passed all" in line
    assert "had ended with exit status 0" in found(KILL, killed(faulty=ended(0), afterwards=NEW))[0]


def test_the_control_plane_afterwards_is_one_that_may_be_there():
    (line,) = found(fault(), evidence(afterwards=DOWN))
    assert line == "the control plane afterwards is down (no API server); expected old"
    either = fault(expects=frozenset({"old", "new"}))
    assert found(either, evidence()) == []
    (line,) = found(either, evidence(faulty=ended(0)))
    assert "exit status 0, and the control plane is old" in line


def test_a_split_control_plane_is_never_right():
    split = ControlPlane("mixed", ("master-1 on the old etcd",), is_split=True)
    row = fault(expects=frozenset({"mixed"}))
    assert found(row, evidence(afterwards=split)) == ["API servers run on both etcd clusters at once"]


def test_a_live_migration_has_one_cluster_from_beginning_to_end():
    live = fault(strategy=points.LIVE, expects=frozenset({"joint"}))
    joint = ControlPlane("joint")
    one = [{0xA: ["master-1"]}, {0xA: ["master-1", "etcd-1"]}, {0xA: ["etcd-1"]}]
    assert found(live, evidence(afterwards=joint, clusters=one)) == []
    (line,) = found(live, evidence(afterwards=joint, clusters=[*one[:2], {0xB: ["etcd-1"]}]))
    assert line == "there was more than one cluster of etcd: a on master-1, etcd-1, b on etcd-1"
    # The snapshot strategy makes a second one: that is what its fence is for.
    assert found(fault(), evidence(clusters=[*one[:2], {0xB: ["etcd-1"]}])) == []


def test_a_strategy_without_an_outage_has_a_limit_for_one():
    assert found(fault(away_seconds=4.3), evidence()) == []
    (line,) = found(fault(away_seconds=4.0), evidence())
    assert line.endswith("for 4.2 s; expected 4 s at most")


def test_the_next_deploy_has_to_end_the_migration():
    assert "the next deploy ended with exit status 1" in found(fault(), evidence(following=ended(1)))[0]
    assert "after the next deploy the control plane is old" in found(fault(), evidence(final=OLD))[0]


def test_an_acknowledged_write_must_not_be_lost():
    (line,) = found(fault(), evidence(lost=["w-1", "w-2"]))
    assert line == "2 of 900 acknowledged writes are lost: w-1, w-2"


def test_a_row_that_came_to_no_end_has_failed():
    assert found(fault(), Evidence(troubles=["the engine is gone"])) == ["the engine is gone"]
    assert found(fault(), Evidence()) == ["the row did not come to its end"]
    assert found(fault(), evidence(lost=None)) == ["the row did not come to its end"]


# The report.


def results():
    passed = RowResult(fault(), evidence(), (), 120.0)
    failed = RowResult(dataclasses.replace(KILL, name="kill-restore"), Evidence(), ("it broke",), 3.0)
    return [passed, failed]


def test_shows_a_row_each_its_problems_and_how_many_passed():
    lines = report.render(results()).splitlines()
    assert lines[2].split()[-6:] == ["4.2", "21.5", "900", "0", "old", "passed"]
    assert lines[3].startswith("kill-restore")
    assert lines[3].endswith("FAILED")
    assert lines[4:] == ["", "kill-restore:", "  it broke", "", "1 passed, 1 failed"]


def test_tells_how_and_where_a_run_ended():
    def happened(**changed):
        return RowResult(fault(), evidence(**changed), (), 1.0).happened

    assert happened(faulty=ended(0), place=None) == "exit 0"
    assert happened(faulty=ended(-9)) == "killed in restore"
    assert happened(faulty=ended(-9, is_overdue=True)) == "did not end in restore"
    assert happened(faulty=None) == "the run came to no end of its own"


def test_the_summary_is_for_programs():
    first, second = json.loads(json.dumps(report.summary(results())))
    assert first["fault"] == "a-fault"
    assert first["exit_status"] == {"faulty": 1, "next": 0}
    assert first["state"] == {"afterwards": "old", "final": "new"}
    assert first["last_place"] == "restore: Restore"
    assert (second["passed"], second["problems"], second["lost"]) == (False, ["it broke"], None)
