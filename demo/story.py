"""The demonstration from beginning to end; reads as what happens."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from demo import (
    external,
    floor,
    migration,
    objects,
    outcome,
    pods,
    processes,
    report,
    standing,
)
from demo.api import tls_context
from demo.errors import DemoError
from demo.result import Result, Written
from demo.writers import LOAD_BALANCER, Record, Writers, entrances
from lab import Lab, LabError
from lab.engine import connect
from lab.paths import REPOSITORY, STATE
from lab.progress import say, step
from lab.state import KUBECONFIG
from lab.up import down

_SUMMARY = STATE / "demo.json"
_LOG = STATE / "demo-pyinfra.log"
_RUNS = REPOSITORY / ".unstack" / "lab" / "runs"
_FIRST_WRITE_SECONDS = 30.0
# After a migration that failed nothing is left to be shown by writing on.
_AFTER_FAILURE_SECONDS = 5.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class Options:
    """How much to show."""

    objects: int = 2000
    after_seconds: float = 120.0
    with_floor: bool = True
    keep: bool = False


def tell(options: Options) -> bool:
    """Run all of it and print the report; returns whether all is well."""
    lab, started_here = standing.fresh_lab()
    context = tls_context(KUBECONFIG)
    # A summary of an earlier run must not be taken for this one's, however this one ends.
    _SUMMARY.unlink(missing_ok=True)
    result = Result()

    objects.create_namespace(lab.load_balancer, context)
    with step(f"loading {options.objects} objects"):
        promised = {"loaded beforehand": objects.load(lab.load_balancer, context, options.objects)}
    if options.with_floor:
        with step("measuring the bare floor: the control plane stopped and started"):
            result.floor = floor.measure(lab, context, Writers(entrances(lab), context, "unstack-floor"))
        promised["while the floor was measured"] = dict(result.floor.acknowledged)

    records = _migrate(lab, context, options, result)
    _measure(lab, context, result, promised, records)

    print(report.render(result), flush=True)
    _SUMMARY.write_text(json.dumps(result.summary(), indent=2) + "\n")
    _leave(options, started_here, failed=bool(result.problems))
    return not result.problems


def _migrate(lab: Lab, context: ssl.SSLContext, options: Options, result: Result) -> Mapping[str, Record]:
    """Migrate under live writes, and write on afterwards; returns what the writers did."""
    writers = Writers(entrances(lab), context, "unstack-writer")
    writers.start()
    try:
        _await_all_writers(writers)
        say(f"pyinfra {' '.join(migration.WITH_PODS)}")
        result.migration = done = migration.run(REPOSITORY, _LOG, migration.WITH_PODS)
        say(f"pyinfra ended with exit code {done.exit_code} after {done.seconds:.1f} s")
        seconds = options.after_seconds
        if done.exit_code != 0:
            result.problems.append(f"pyinfra failed with exit code {done.exit_code}; see {_LOG}")
            seconds = min(seconds, _AFTER_FAILURE_SECONDS)
        with step(f"writing for {seconds:.0f} s more"):
            time.sleep(seconds)
        # Not only some: an API server that takes no writes any more is a fault of its own.
        _attempt(result, lambda: _await_all_writers(writers))
    finally:
        records = writers.stop()
    return records


def _measure(
    lab: Lab,
    context: ssl.SSLContext,
    result: Result,
    promised: Mapping[str, Mapping[str, str]],
    records: Mapping[str, Record],
) -> None:
    """Fill in all that is to be seen afterwards; what can't be measured becomes a problem."""
    result.longest_gap = records[LOAD_BALANCER].longest_gap()
    found = _attempt(result, lambda: objects.listed(lab.load_balancer, context))
    if found is not None:
        result.written = [
            Written(source, len(names), objects.missing(names, found)) for source, names in promised.items()
        ]
        for writer, record in records.items():
            names = record.names()
            lost = objects.missing(names, found)
            result.written.append(Written(writer, len(names), lost, record.longest_gap()))
    for entry in result.written:
        if entry.missing:
            examples = ", ".join(entry.missing[:3])
            result.problems.append(
                f"{len(entry.missing)} of {entry.acknowledged} acknowledged writes are missing"
                f" ({entry.source}): {examples}, ..."
            )

    started = result.migration.started if result.migration is not None else time.time()
    result.outcome = _attempt(result, lambda: outcome.newest(_RUNS, started))
    if result.outcome is not None:
        result.problems += outcome.proof_problems(result.outcome.proof, len(lab.etcd))
    seen = _attempt(result, lambda: external.views(lab))
    if seen is not None:
        result.views, problems = seen
        result.problems += problems

    result.processes = _attempt(result, lambda: processes.control_plane(lab)) or []
    if result.outcome is not None:
        result.problems += processes.problems(
            result.processes,
            [node.name for node in lab.masters],
            result.outcome.cutover_started,
            [node.ip for node in lab.etcd],
        )
    node = lab.masters[-1].node_name
    with step(f"making a pod on {node} and removing it"):
        times = _attempt(result, lambda: pods.measure(lab.load_balancer, context, node))
    if times is not None:
        result.pods.append(times)


def _await_all_writers(writers: Writers) -> None:
    with step(f"waiting {_FIRST_WRITE_SECONDS:.0f} s at most until every writer writes"):
        writers.wait_until_all_write(_FIRST_WRITE_SECONDS)


def _attempt(result: Result, action: Callable[[], _T]) -> _T | None:
    """What the action returns; None if it fails, which is then one of the problems."""
    try:
        return action()
    except (DemoError, LabError) as error:
        result.problems.append(str(error))
        return None


def _leave(options: Options, started_here: bool, *, failed: bool) -> None:
    """Leave the machine as it was found, unless there is something to look into."""
    if started_here and not failed and not options.keep:
        # Its directory goes with the lab; the summary is what the demonstration was for.
        summary = _SUMMARY.read_text()
        down(connect())
        STATE.mkdir(exist_ok=True)
        _SUMMARY.write_text(summary)
        return
    say(f"the lab is left running, to look into (`python -m lab down` removes it); {_SUMMARY}")
