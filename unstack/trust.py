"""Whom running members and API servers trust, and who leads while members are restarted one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unstack.members import MemberStatus
from unstack.observations import parse_report
from unstack.problems import Problem
from unstack.topology import Topology


def sha256_of(text: str) -> str:
    """The sha256 of a text's bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Trust:
    """The CA file of a host's member or API server, which is read at a process's start alone."""

    files: tuple[str, ...]  # the path that each running process was given
    sha256: str | None  # of our CA file as it is now, None where there is none
    processes: frozenset[str]  # "pid start" of what runs
    noted: tuple[str, ...]  # a sha256, and "pid start" of what may have read another file than that

    def has_read(self, sha256: str) -> bool:
        """True where the file is that one, and every process that runs has begun since it is."""
        return (
            self.sha256 == sha256
            and self.noted[:1] == (sha256,)
            and bool(self.processes)
            and not self.processes & set(self.noted[1:])
        )


def read_trust(lines: Iterable[str]) -> Trust:
    """The report of observe-trust.sh."""
    report = parse_report(lines)
    (_,) = report["read"]
    return Trust(
        files=report.get("file", ()),
        sha256=next(iter(report.get("sha256", ())), None),
        processes=frozenset(report.get("process", ())),
        noted=tuple(next(iter(report.get("note", ())), "").splitlines()),
    )


def trust_problems(
    trusts: Mapping[str, Trust], files: Mapping[str, str], expected: Sequence[str]
) -> list[Problem]:
    """Hosts whose CA file is not one of this control node's, by host name.

    `files`: the path of each host's. `expected`: the texts that it may have. Bringing both CAs to such
    a host would cut it off: the CA that it trusts now would not be one of them.
    """
    known = {sha256_of(text) for text in expected}
    problems = []
    for name, trust in trusts.items():
        others = set(trust.files) - {files[name]}
        if others:
            problems.append(
                Problem(
                    name,
                    f"a process with the CA file {', '.join(sorted(others))}",
                    files[name],
                    "replace its CA by hand, or have it use that file",
                )
            )
        elif trust.sha256 not in known:
            problems.append(
                Problem(
                    name,
                    f"{files[name]} that is not the CA of this control node"
                    if trust.sha256
                    else f"no {files[name]}",
                    "the ca.crt in this control node's PKI directory",
                    "run it where that CA was made, or bring that directory here",
                )
            )
    return problems


def member_problems(statuses: Mapping[str, MemberStatus | None], topology: Topology) -> list[Problem]:
    """Why no member may be restarted now: {member: status, or None where it does not answer}."""
    problems = []
    for name, status in statuses.items():
        if status is None or not status.is_healthy:
            found = "an external member that does not answer a linearizable read"
        elif not status.leader:
            found = "an external member without a leader"
        elif status.alarms:
            found = f"the alarm {', '.join(status.alarms)}"
        else:
            continue
        problems.append(
            Problem(
                name, found, "every member healthy, before and after each restart", "mend it, then run again"
            )
        )
    listed = next((one.members for one in statuses.values() if one and one.members is not None), None)
    wanted = {(one.peer_url,) for one in topology.members}
    voters = [one for one in listed or () if not one.is_learner]
    if listed is not None and {one.peer_urls for one in voters} != wanted:
        problems.append(
            Problem(
                "cluster",
                f"the voting members {', '.join(sorted(one.name or '?' for one in voters))}",
                f"those of the inventory: {', '.join(one.name for one in topology.members)}",
                "finish the change of members, or correct the inventory",
            )
        )
    return problems


def successor(name: str, statuses: Mapping[str, MemberStatus], order: Sequence[str]) -> int | None:
    """The id of the member to lead while `name` is restarted; None where `name` does not lead.

    One that has had its turn, so that the lead moves no more than twice; the last one where none has.
    """
    others = [one for one in order if one != name]
    if not statuses[name].is_leader or not others:
        return None
    return statuses[others[0] if order.index(name) else others[-1]].member_id
