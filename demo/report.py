"""The measurements as a person reads them: plain text, aligned, worst news last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from demo.external import View
from demo.floor import Floor
from demo.gaps import Gap
from demo.outcome import Outcome, Proof, spans
from demo.pods import PodTimes
from demo.processes import Process
from demo.result import RATIO_LIMIT, Result, Written
from demo.tables import Cell, table


def render(result: Result) -> str:
    """The whole report; parts that were not measured are left out, the problems say why."""
    sections: list[str] = []
    if result.written:
        sections += [_heading("Acknowledged writes"), written(result.written)]
    if result.floor is not None:
        sections += [_heading("The bare floor"), floor(result.floor)]
    if result.longest_gap is not None:
        sections += [_heading("The outage"), outage(result)]
    if result.outcome is not None:
        sections += [
            _heading("Old and new etcd, member by member, before the cutover"),
            proof(result.outcome.proof),
        ]
    for view in result.views:
        sections += [_heading(f"etcdctl {view.title}"), _view(view)]
    if result.processes:
        sections += [
            _heading("The control plane's processes"),
            processes(result.processes, result.outcome),
        ]
    if result.pods:
        sections += [_heading("A pod, made and removed afterwards"), pods(result.pods)]
    sections += [_heading("Result"), verdict(result)]
    return "\n".join(sections)


def written(entries: Iterable[Written]) -> str:
    """How much was acknowledged, how much of it is missing."""
    rows: list[list[Cell]] = [
        [
            entry.source,
            entry.acknowledged,
            len(entry.missing),
            None if entry.longest_gap is None else entry.longest_gap.seconds,
        ]
        for entry in entries
    ]
    rows.append(["all", sum(_ints(rows, 1)), sum(_ints(rows, 2)), None])
    return table(["written by", "acknowledged", "missing", "longest time without one, s"], rows)


def floor(measured: Floor) -> str:
    """What stopping and starting alone takes, master by master."""
    rows: list[list[Cell]] = [
        [
            master,
            measured.gone_seconds[master],
            measured.started_seconds.get(master),
            measured.ready_seconds[master],
            gap.seconds,
        ]
        for master, gap in measured.gaps.items()
        if master in measured.gone_seconds
    ]
    headers = ["master", "stopped after, s", "started after, s", "ready after, s", "no write for, s"]
    lines = [
        table(headers, rows),
        f"through the load balancer, no write for: {measured.seconds:.1f} s",
    ]
    if measured.is_inflated:
        lines.append("TOO HIGH: kubelet held the API servers back after earlier restarts")
    return "\n".join(lines)


def outage(result: Result) -> str:
    """The longest time without an acknowledged write, its ratio to the floor, and its parts."""
    gap = result.longest_gap
    assert gap is not None
    lines = [
        f"longest time without an acknowledged write through the load balancer: {gap.seconds:.1f} s"
        f" ({_span(gap)})"
    ]
    if result.floor is not None and result.ratio is not None:
        comparison = "within" if result.ratio <= RATIO_LIMIT else "ABOVE"
        lines.append(
            f"bare floor: {result.floor.seconds:.1f} s; ratio {result.ratio:.2f},"
            f" {comparison} the limit of {RATIO_LIMIT}"
        )
    if result.outcome is not None:
        lines += ["", parts(result.outcome, gap)]
    return "\n".join(lines)


def parts(outcome: Outcome, gap: Gap) -> str:
    """What each part took, and how much of that no write was acknowledged.

    Writes still succeed while the fence goes up, and again before the last master is done.
    """
    rows: list[list[Cell]] = []
    inside = 0.0
    for name, span in spans(outcome).items():
        inside += span.overlap(gap)
        rows.append([name, outcome.parts.get(name), span.overlap(gap)])
    rows += [["none of these", None, gap.seconds - inside], ["the outage", None, gap.seconds]]
    return table(["part", "took, s", "of that without a write, s"], rows)


def proof(measured: Proof) -> str:
    """HashKV and what it depends on, of every member of both clusters."""
    rows: list[list[Cell]] = [
        [side, member.name, str(member.hash), member.compact_revision, member.revision, member.keys]
        for side, members in (("old", measured.old), ("new", measured.new))
        for member in members
    ]
    headers = ["cluster", "member", "HashKV", "compact revision", "revision", "keys"]
    return f"{table(headers, rows)}\ncompared at revision {measured.revision}"


def processes(found: Iterable[Process], outcome: Outcome | None) -> str:
    """Since when each component runs, and how long that is after the cutover began."""
    rows: list[list[Cell]] = [
        [
            process.master,
            process.component,
            process.pid,
            _clock(process.started),
            None if outcome is None else process.started - outcome.cutover_started,
            ",".join(process.etcd_servers) or None,
        ]
        for process in found
    ]
    headers = ["master", "component", "pid", "started", "after cutover, s", "etcd servers"]
    text = table(headers, rows)
    return text if outcome is None else f"{text}\ncutover began: {_clock(outcome.cutover_started)}"


def pods(times: Iterable[PodTimes]) -> str:
    """Create to Ready, delete to gone."""
    rows: list[list[Cell]] = [[pod.node, pod.ready_seconds, pod.gone_seconds] for pod in times]
    return table(["node", "created to Ready, s", "deleted to gone, s"], rows)


def verdict(result: Result) -> str:
    """One line if all is well, else one line for each thing that is not."""
    if not result.problems:
        total = sum(entry.acknowledged for entry in result.written)
        return f"nothing is missing, nothing differs; all {total} acknowledged writes are there"
    return "\n".join(f"FAILED: {problem}" for problem in result.problems)


def _view(view: View) -> str:
    return view.text or "no output"


def _heading(title: str) -> str:
    return f"\n{title}\n{'=' * len(title)}"


def _clock(unix: float) -> str:
    return datetime.fromtimestamp(unix).isoformat(" ", timespec="milliseconds")


def _span(gap: Gap) -> str:
    begin, end = (_clock(moment).split(" ")[1] for moment in (gap.begin, gap.end))
    return f"{begin} to {end}"


def _ints(rows: list[list[Cell]], column: int) -> list[int]:
    return [cell for row in rows if isinstance(cell := row[column], int)]
