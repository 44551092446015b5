"""The matrix as a person reads it, and as a program does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from demo.tables import Cell, table
from faults.fault import Fault
from faults.verdict import RowResult

_HEADERS = (
    "fault",
    "stage",
    "what happened",
    "API away, s",
    "longest, s",
    "acknowledged",
    "lost",
    "afterwards",
    "verdict",
)


def render(results: Sequence[RowResult]) -> str:
    """The table, what is wrong below it, and the closing line `N passed, N failed`."""
    lines = [table(_HEADERS, [_row(result) for result in results])]
    failed = [result for result in results if not result.passed]
    for result in failed:
        lines += ["", f"{result.fault.name}:", *(f"  {problem}" for problem in result.problems)]
    return "\n".join([*lines, "", f"{len(results) - len(failed)} passed, {len(failed)} failed"])


def listing(rows: Sequence[Fault]) -> str:
    """The rows that there are; a star marks those of the short selection."""
    cells: list[list[Cell]] = [
        [fault.name, fault.strategy, fault.stage, "*" if fault.is_short else "", fault.what] for fault in rows
    ]
    return table(("fault", "strategy", "stage", "short", "what is done"), cells)


def summary(results: Sequence[RowResult]) -> list[dict[str, Any]]:
    """One object a row, for `.lab/faults.json`; times in seconds."""
    return [_summary(result) for result in results]


def _row(result: RowResult) -> list[Cell]:
    evidence = result.evidence
    return [
        result.fault.name,
        result.fault.stage,
        result.happened,
        evidence.away_seconds,
        evidence.longest_gap_seconds,
        evidence.acknowledged,
        None if evidence.lost is None else len(evidence.lost),
        None if evidence.afterwards is None else evidence.afterwards.state,
        "passed" if result.passed else "FAILED",
    ]


def _summary(result: RowResult) -> dict[str, Any]:
    evidence = result.evidence
    runs = {"faulty": evidence.faulty, "next": evidence.following}
    planes = {"afterwards": evidence.afterwards, "final": evidence.final}
    return {
        "fault": result.fault.name,
        "strategy": result.fault.strategy,
        "stage": result.fault.stage,
        "happened": result.happened,
        "last_place": None if evidence.place is None else str(evidence.place),
        "exit_status": {name: run.status for name, run in runs.items() if run is not None},
        "run_seconds": {name: round(run.seconds, 1) for name, run in runs.items() if run is not None},
        "away_seconds": _rounded(evidence.away_seconds),
        "longest_gap_seconds": _rounded(evidence.longest_gap_seconds),
        "acknowledged": evidence.acknowledged,
        "lost": evidence.lost,
        "state": {name: plane.state for name, plane in planes.items() if plane is not None},
        "details": {name: plane.details for name, plane in planes.items() if plane is not None},
        "passed": result.passed,
        "problems": result.problems,
        "seconds": round(result.seconds, 1),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
