"""The course of a run, read from its journal: stages, outages, the hosts' lanes and the steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from unstack.pod_probe import Round
from unstack.report.masking import masked
from unstack.report.model import Lane, Operation, Outage, Stage, Step, StepOnHost
from unstack.report.source import Line, Source, written
from unstack.topology import ETCD, MASTERS

PLAN = "plan"  # before the first operation: pyinfra connects, and reads what would change
_INCLUDED = re.compile(r"tasks/([\w-]+)\.py \| (.*)", re.DOTALL)
_BARRIER = re.compile(r"(?:===|---) .* (?:===|---)")
_REST = 0.1  # seconds; what a run does after its last barrier is a stage where it takes longer
_AWAY, _READY = "taken away", "ready"


def task_and_name(operation: str) -> tuple[str, str]:
    """("fence", "Stop it") for "tasks/fence.py | Stop it", as pyinfra names what a deploy includes."""
    match = _INCLUDED.fullmatch(operation)
    return (match[1], match[2]) if match else ("", operation)


def read_stages(source: Source) -> tuple[Stage, ...]:
    """Every stage that ended, then the one that did not, then the way back from there."""
    own = source.own()
    if not own:
        return ()
    end = max(0.0, min(map(source.offset, own)))
    stages = [Stage(PLAN, 0.0, end, "ok")]

    def until(line: Line, name: str, result: str) -> None:
        nonlocal end
        begin, end = end, max(end, source.offset(line))
        stages.append(Stage(name, begin, round(end - begin, 3), result))

    stopped = False
    for line in own:
        if line["event"] == "stage":
            until(line, str(line["stage"]), "ok")
        elif line["event"] == "stopped":
            stopped = True
            until(line, _unfinished(source, [stage.name for stage in stages]), "failed")
        elif line["event"] == "way back" and stopped:
            until(line, "way back", "way back")
    if source.offset(own[-1]) > end + _REST:
        until(own[-1], _unfinished(source, [stage.name for stage in stages]), "ok")
    return tuple(stages)


def _unfinished(source: Source, ended: Sequence[str]) -> str:
    return next((stage for stage in source.planned if stage not in ended), "rest")


def read_outages(source: Source) -> tuple[Outage, ...]:
    """Every time without an API server that this run began or ended, or left."""
    found = []
    began: Line | None = None
    for line in source.lines:
        if line["event"] != "api server":
            continue
        if line["state"] == _AWAY:
            began = began or line
        elif line["state"] == _READY and began is not None:
            if source.run in (began["run"], line["run"]):
                found.append(_outage(source, began, line))
            began = None
    if began is not None:
        found.append(_outage(source, began, None))
    return tuple(found)


def _outage(source: Source, began: Line, ended: Line | None) -> Outage:
    end = None if ended is None else source.offset(ended)
    seconds = None if ended is None else round(written(ended) - written(began), 3)
    return Outage(source.offset(began), end, seconds, str(began["run"]))


def read_lanes(source: Source) -> tuple[Lane, ...]:
    """One for each host of the topology, also where nothing ran; barriers are left out."""
    by_host: dict[str, list[Operation]] = {}
    for line in source.own():
        task, name = task_and_name(str(line.get("operation", "")))
        if line["event"] != "operation" or _BARRIER.fullmatch(name):
            continue
        seconds = float(line["seconds"])
        start = round(source.offset(line) - seconds, 3)
        operation = Operation(task, masked(name), start, seconds, str(line["result"]))
        by_host.setdefault(str(line["host"]), []).append(operation)
    topology = source.topology
    hosts = [(one.name, one.address, MASTERS) for one in topology.masters]
    hosts += [(one.name, one.address, ETCD) for one in topology.members]
    return tuple(Lane(name, address, group, tuple(by_host.get(name, ()))) for name, address, group in hosts)


def read_steps(source: Source) -> tuple[Step, ...]:
    """The journal in order: one step for an operation with all its hosts, one for any other line."""
    steps: list[Step] = []
    places: dict[str, int] = {}
    for line in source.own():
        event, operation = line["event"], str(line.get("operation", ""))
        task, name = task_and_name(operation)
        if event == "start" or _BARRIER.fullmatch(name):
            continue
        if event != "operation":
            kind = "stage" if event == "stage" else "event"
            steps.append(Step(source.offset(line), kind, "", masked(_told(line)), ()))
            continue
        seconds = float(line["seconds"])
        mine = StepOnHost(str(line["host"]), seconds, str(line["result"]))
        if operation in places:
            step = steps[places[operation]]
            steps[places[operation]] = Step(step.start, step.kind, task, step.text, (*step.hosts, mine))
        else:
            places[operation] = len(steps)
            start = round(source.offset(line) - seconds, 3)
            steps.append(Step(start, "operation", task, masked(name), (mine,)))
    return tuple(sorted(steps, key=lambda step: step.start))


def _told(line: Line) -> str:
    """A line that is no operation, in words."""
    event = str(line["event"])
    if event == "stage":
        return f"stage {line['stage']} ended"
    if event == "stopped":
        return f"stopped: {line['reason']}"
    if event == "api server":
        return f"API server {line['state']} on {line['host']}"
    if event == "snapshot":
        return f"snapshot on {line['host']} at revision {line['revision']}, sha256 {line['sha256']}"
    if event == "kubeadm":
        return f"{line['host']}: {line['found']}"
    if event == "pods":
        return str(Round.from_json(line))
    if event == "proof":
        return (
            f"proof at revision {line['revision']}: {len(line['old'])} old and {len(line['new'])} new members"
        )
    if event == "way back":
        return f"way back: {line['to']} etcd, {', '.join(line['masters']) or 'no master'}"
    return ": ".join((event, ", ".join(_fields(line)))) if len(line) > 3 else event


def _fields(line: Line) -> Iterator[str]:
    for name, value in line.items():
        if name not in ("time", "run", "event"):
            yield f"{name} {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    return str(value)
