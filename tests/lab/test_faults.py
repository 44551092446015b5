"""The short form of the fault matrix: a migration of each strategy killed in every stage, and ways back."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.api import tls_context
from demo.writers import LOAD_BALANCER
from faults import journal, live_rows, members, points, rows
from faults.control_plane import settle
from faults.fault import Context, Fault
from faults.matrix import run_rows
from faults.runs import Pause, Run
from lab import Lab
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY, pyinfra
from tests.fresh import make_fresh
from tests.writing import lost, writing


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(rows.KILLS, id=points.SNAPSHOT),
        pytest.param(live_rows.KILLS, id=points.LIVE, marks=pytest.mark.long),
    ],
)
def test_a_migration_killed_in_every_stage_is_finished_by_the_next_and_loses_nothing(
    lab: Lab, tmp_path: Path, kills: tuple[Fault, ...]
) -> None:
    make_fresh(lab)
    context, strategy = tls_context(KUBECONFIG), kills[0].strategy
    stages = points.stages((REPOSITORY / "deploy.py").read_text(), strategy)
    with writing(lab, f"unstack-kills-{strategy}") as writers:
        before = members.cluster_ids(lab)
        for fault in kills:
            pauses = tmp_path / fault.name
            pauses.mkdir()
            data = {**fault.data, "strategy": strategy}
            run = Run(tmp_path / "log", "faults/deploy.py", data, Pause(pauses, fault.point))
            beside = Context(lab, run.process)
            try:
                run.await_point()
                fault.inject(beside)
                run.go()
                ended = run.wait(120)
            finally:
                run.end()
                troubles = beside.finish()
            assert troubles == []
            place = journal.last_place(ended.journal, stages)
            assert place is not None, ended.output
            # By the journal, which is complete up to the kill: it came in the stage that it was for.
            assert place.stage == fault.stage, (fault.name, place)
            assert fault.operation in place.operation, (fault.name, place)
            if strategy == points.LIVE:
                found = settle(lab, context, writers, fault.settle_seconds)
                assert found.state in fault.expects, (fault.name, found)
        outcome = pyinfra("-y", "--data", f"strategy={strategy}", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
        found = settle(lab, context, writers, 90)
        assert found.state == "new", found
    written = writers.acknowledged()
    assert len(written) > 100
    assert lost(lab, writers) == []
    if strategy == points.LIVE:
        assert members.cluster_ids(lab).keys() == before.keys()
        gap = writers.records[LOAD_BALANCER].longest_gap().seconds
        print(f"{len(kills)} kills, {len(written)} acknowledged writes, longest gap {gap:.2f} s")
        assert gap <= live_rows.KILL_AWAY_SECONDS


def test_ctrl_c_ends_the_present_step_and_brings_the_old_control_plane_back(lab: Lab) -> None:
    fault = Fault(
        name="ctrl-c",
        stage="restore",
        point=points.before("restore"),
        what="SIGINT into the stage",
        inject=lambda context: context.later(0.1, context.interrupt),
    )
    (result,) = run_rows(lab, [fault])
    assert result.passed, result.problems
    assert result.evidence.faulty is not None
    assert result.evidence.faulty.status == 1
    assert "SIGINT was received after the step" in result.evidence.faulty.output


def test_a_fault_ends_in_a_whole_control_plane_and_loses_nothing(fresh_lab: Lab) -> None:
    results = run_rows(fresh_lab, rows.short())
    assert [(one.fault.name, one.problems) for one in results if not one.passed] == []
    # They failed before the cutover, or a departure: the old control plane came back, or was never away.
    assert [one.evidence.afterwards.state for one in results if one.evidence.afterwards] == ["old"] * len(
        results
    )
