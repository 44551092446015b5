"""The flow of a row: a fresh lab, live writes, the faulty run, what it left, the next deploy."""

from __future__ import annotations

import json
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from demo import objects, standing
from demo.api import tls_context
from demo.gaps import longest_gap
from demo.writers import LOAD_BALANCER, Record, Writers, entrances
from faults import journal, members, points, report, verdict
from faults.control_plane import settle
from faults.errors import EXPECTED_ERRORS, FaultError, told
from faults.fault import Context, Fault
from faults.runs import Ended, Pause, Run
from faults.verdict import Evidence, RowResult
from lab import Lab, health
from lab.paths import REPOSITORY, STATE
from lab.progress import say, step
from lab.state import KUBECONFIG

SUMMARY = STATE / "faults.json"
LOGS = STATE / "faults"
_DEPLOY = "deploy.py"
_PAUSING_DEPLOY = "faults/deploy.py"
_FIRST_WRITE_SECONDS = 60.0
_NEXT_DEPLOY_SECONDS = 600.0
_FINAL_SECONDS = 90.0


def run_rows(lab: Lab, rows: Sequence[Fault]) -> list[RowResult]:
    """Run the rows one after another; `.lab/faults.json` holds those that are done.

    A row that fails, in whatever way, does not keep the others from running. The lab is left as the
    last row leaves it. Raises FaultError if the lab is too small.
    """
    if len(lab.masters) < 3 or len(lab.etcd) < 3:
        raise FaultError("the matrix needs 3 masters and 3 etcd hosts: `python -m lab down`, then `up`")
    LOGS.mkdir(parents=True, exist_ok=True)
    SUMMARY.unlink(missing_ok=True)
    results: list[RowResult] = []
    for number, fault in enumerate(rows, 1):
        say(f"row {number} of {len(rows)}: {fault.name}: {fault.what}")
        result = run_row(lab, fault)
        results.append(result)
        SUMMARY.write_text(json.dumps(report.summary(results), indent=2) + "\n")
        word = "passed" if result.passed else "FAILED"
        say(f"{fault.name}: {word} in {result.seconds:.0f} s: {result.happened}")
        for problem in result.problems:
            say(f"  {problem}")
    return results


def run_row(lab: Lab, fault: Fault) -> RowResult:
    """Run one row and judge it; what keeps it from its end is one of its problems."""
    begun = time.monotonic()
    evidence = Evidence()
    try:
        _fresh(lab)
        _observe(lab, fault, evidence)
    except EXPECTED_ERRORS as error:
        evidence.troubles.append(told(error))
    hosts = [node.name for node in (*lab.masters, *lab.etcd)]
    found = verdict.problems(fault, evidence, hosts)
    return RowResult(fault, evidence, tuple(found), time.monotonic() - begun)


def _fresh(lab: Lab) -> None:
    """A healthy stacked cluster without a trace of an earlier row."""
    try:
        found = standing.traces(lab) or health.problems(lab)
    except EXPECTED_ERRORS as error:
        found = [told(error)]
    if found:
        say(f"the lab is not fresh: {found[0]}")
        lab.reset()


def _observe(lab: Lab, fault: Fault, evidence: Evidence) -> None:
    """Run the row under live writes, filling in the evidence as far as it comes."""
    context = tls_context(KUBECONFIG)
    log = LOGS / f"{fault.name}.log"
    log.unlink(missing_ok=True)
    objects.create_namespace(lab.load_balancer, context)
    writers = Writers(entrances(lab), context, f"unstack-{fault.name}")
    writers.start()
    try:
        writers.wait_until_all_write(_FIRST_WRITE_SECONDS)
        evidence.clusters.append(members.cluster_ids(lab))
        _faulty_run(lab, fault, log, evidence)
        with step("waiting for a whole control plane"):
            evidence.afterwards = settle(lab, context, writers, fault.settle_seconds)
            evidence.clusters.append(members.cluster_ids(lab))
        with step("the next deploy"):
            next_begun = time.monotonic()
            evidence.following = _plain_run(log, fault.strategy)
            evidence.final = settle(lab, context, writers, _FINAL_SECONDS)
            evidence.clusters.append(members.cluster_ids(lab))
    finally:
        records = writers.stop()
    if evidence.faulty is not None:
        _count_gaps(records[LOAD_BALANCER], evidence.faulty.begun, next_begun, evidence)
    _count_writes(lab, context, writers.acknowledged(), evidence)


def _faulty_run(lab: Lab, fault: Fault, log: Path, evidence: Evidence) -> None:
    """The migration with the fault in it; the fault is healed when this returns or raises."""
    stages = points.stages((REPOSITORY / _DEPLOY).read_text(encoding="utf-8"), fault.strategy)
    with tempfile.TemporaryDirectory(prefix="unstack-faults-") as directory:
        data = {**fault.data, "strategy": fault.strategy}
        run = Run(log, _PAUSING_DEPLOY, data, Pause(Path(directory), fault.point))
        context = Context(lab, run.process)
        try:
            with step(f"running to {fault.point}"):
                run.await_point()
            with step("the faulty run"):
                fault.inject(context)
                run.go()
                evidence.faulty = ended = run.wait(fault.limit_seconds)
            evidence.place = journal.last_place(ended.journal, stages)
        finally:
            run.end()
            evidence.troubles += context.finish()
            if evidence.faulty is not None:
                _attempt(evidence, lambda: evidence.troubles.extend(fault.look(context)))
            _attempt(evidence, lambda: fault.heal(context))


def _plain_run(log: Path, strategy: str) -> Ended:
    run = Run(log, _DEPLOY, {"strategy": strategy})
    try:
        return run.wait(_NEXT_DEPLOY_SECONDS)
    finally:
        run.end()


def _count_gaps(record: Record, begun: float, next_begun: float, evidence: Evidence) -> None:
    moments = [write.moment for write in record.acknowledged]
    evidence.away_seconds = longest_gap(moments, begun, next_begun).seconds
    evidence.longest_gap_seconds = record.longest_gap().seconds


def _count_writes(
    lab: Lab, context: ssl.SSLContext, acknowledged: dict[str, str], evidence: Evidence
) -> None:
    evidence.acknowledged = len(acknowledged)
    evidence.lost = objects.missing(acknowledged, objects.listed(lab.load_balancer, context))


def _attempt(evidence: Evidence, action: Callable[[], None]) -> None:
    """What fails here must not hide why the row did, nor keep the fault from being healed."""
    try:
        action()
    except EXPECTED_ERRORS as error:
        evidence.troubles.append(told(error))
