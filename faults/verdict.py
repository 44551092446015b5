"""What was seen of a row, and what is wrong with it."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from faults.control_plane import ControlPlane
from faults.fault import Fault
from faults.journal import Place
from faults.output import error_lines, has_traceback
from faults.points import LIVE
from faults.runs import Ended


@dataclass
class Evidence:
    """What a row has shown; None is what it did not come to. Times in seconds."""

    # Whatever kept the row from showing what it is for.
    troubles: list[str] = field(default_factory=list)
    faulty: Ended | None = None
    # Where the faulty run was last; None if it passed every stage.
    place: Place | None = None
    # After the fault was healed, before the next deploy.
    afterwards: ControlPlane | None = None
    # Which clusters of etcd there were before, afterwards and finally: id -> where its members are.
    clusters: list[dict[int, list[str]]] = field(default_factory=list)
    following: Ended | None = None
    final: ControlPlane | None = None
    # Longest time without a write acknowledged through the load balancer, until the next deploy
    # began, and over the whole row.
    away_seconds: float | None = None
    longest_gap_seconds: float | None = None
    acknowledged: int = 0
    # Names of acknowledged writes that are missing; None while they were not looked for.
    lost: list[str] | None = None


@dataclass(frozen=True)
class RowResult:
    """One row, run and judged."""

    fault: Fault
    evidence: Evidence
    problems: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def happened(self) -> str:
        """How the faulty run ended, and where."""
        run, place = self.evidence.faulty, self.evidence.place
        if run is None:
            return "the run came to no end of its own"
        where = f" in {place.stage}" if place is not None else ""
        if run.is_overdue:
            return f"did not end{where}"
        if run.status < 0:
            return f"killed{where}"
        return f"exit {run.status}{where if run.status else ''}"


def problems(fault: Fault, evidence: Evidence, hosts: Collection[str]) -> list[str]:
    """Everything that is wrong, one line each; empty if the row has passed.

    + hosts: names of the inventory
    """
    found = list(evidence.troubles)
    if evidence.faulty is not None:
        found += _of_faulty_run(fault, evidence.faulty, evidence.place, hosts)
    if evidence.afterwards is not None:
        found += _of_state(fault, evidence.faulty, evidence.afterwards)
    if fault.strategy == LIVE:
        found += _of_one_cluster(evidence.clusters)
    if fault.away_seconds is not None and (evidence.away_seconds or 0.0) > fault.away_seconds:
        found.append(
            f"no write was acknowledged through the load balancer for {evidence.away_seconds:.1f} s; expected"
            f" {fault.away_seconds:.0f} s at most"
        )
    if evidence.following is not None:
        found += _of_following_run(evidence.following)
    if evidence.final is not None and evidence.final.state != "new":
        found.append(f"after the next deploy the control plane is {_shown(evidence.final)}; expected new")
    if evidence.lost:
        examples = ", ".join(evidence.lost[:3])
        found.append(
            f"{len(evidence.lost)} of {evidence.acknowledged} acknowledged writes are lost: {examples}"
        )
    if not found and (evidence.final is None or evidence.lost is None):
        found.append("the row did not come to its end")
    return found


def _of_faulty_run(fault: Fault, run: Ended, place: Place | None, hosts: Collection[str]) -> Iterator[str]:
    if has_traceback(run.output):
        yield "the faulty run showed a traceback"
    if run.is_overdue:
        yield f"the faulty run did not end by itself within {fault.limit_seconds:.0f} s"
    elif fault.is_kill:
        if run.status != -signal.SIGKILL:
            yield f"the aim missed: the run had ended with exit status {run.status} before the kill"
        elif place is None or place.stage != fault.stage or fault.operation not in place.operation:
            died_in = str(place) if place is not None else "no stage: it had passed all"
            expected = str(Place(fault.stage, fault.operation))
            yield f"the aim missed: the run was killed in {died_in}; expected {expected}"
    elif run.status not in (0, 1):
        yield f"the faulty run ended with exit status {run.status}; expected 0 or 1"
    elif run.status == 1 and not error_lines(run.output, hosts):
        yield "no line of the faulty run says what is wrong on which host and what to do"


def _of_state(fault: Fault, run: Ended | None, found: ControlPlane) -> Iterator[str]:
    if found.state not in fault.expects:
        expected = " or ".join(sorted(fault.expects))
        yield f"the control plane afterwards is {_shown(found)}; expected {expected}"
    elif run is not None and run.status == 0 and found.state != "new":
        yield f"the faulty run ended with exit status 0, and the control plane is {_shown(found)}"
    if found.is_split:
        yield "API servers run on both etcd clusters at once"


def _of_one_cluster(clusters: Sequence[Mapping[int, Sequence[str]]]) -> Iterator[str]:
    """A live migration never makes a second cluster, nor another one in the place of the first."""
    seen = {cluster_id: names for moment in clusters for cluster_id, names in moment.items()}
    if len(seen) > 1:
        told = ", ".join(f"{cluster_id:x} on {', '.join(names)}" for cluster_id, names in seen.items())
        yield f"there was more than one cluster of etcd: {told}"


def _of_following_run(run: Ended) -> Iterator[str]:
    if run.is_overdue:
        yield "the next deploy did not end in its time"
    elif run.status != 0:
        yield f"the next deploy ended with exit status {run.status}; expected 0"
    if has_traceback(run.output):
        yield "the next deploy showed a traceback"


def _shown(found: ControlPlane) -> str:
    return f"{found.state} ({'; '.join(found.details)})" if found.details else found.state
