"""How preflight asks the stacked members: all at one revision, and again where a compaction intervened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tests.unit.cluster import CONTENT, ETCD, cluster, master, member
from unstack.members import MemberStatus
from unstack.operations import preflight
from unstack.preflight import Cluster, judge

Answer = Callable[[int, int, int], MemberStatus | None]  # member number, revision, how often asked


def _read(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> tuple[Cluster, list[int]]:
    """The cluster as read from members that answer so, and the revisions at which they were asked."""
    asked: list[int] = []

    def ask(names: Mapping[str, str], revision: int = 0) -> dict[str, MemberStatus]:
        asked.append(revision)
        found = {name: answer(int(name[-1]), revision, len(asked)) for name in names}
        return {name: one for name, one in found.items() if one is not None}

    monkeypatch.setattr(preflight, "_ask", ask)
    monkeypatch.setattr(preflight, "COMPARISON_PAUSE_SECONDS", 0)
    masters = {
        f"master-{number}": master(
            live={**master().live, "etcd": ETCD.replace("--name=cp-b", f"--name=m{number}")}
        )
        for number in (1, 2, 3)
    }
    return preflight._with_stacked(cluster(masters=masters, stacked={}, compared_revision=0)), asked


def _status(number: int, asked_at: int, **changes: object) -> MemberStatus:
    """Members 1, 2, 3 stand at revisions 101, 102, 103; content only where one was asked for."""
    content = replace(CONTENT, revision=100 + number) if asked_at else None
    return member(number, **{"revision": 100 + number, "content": content, **changes})


def test_compares_at_the_least_revision_that_all_members_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    read, asked = _read(monkeypatch, lambda number, revision, _: _status(number, revision))
    assert asked == [0, 101]
    assert judge(read) == []


def test_asks_again_after_a_compaction_between_two_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, revision: int, times: int) -> MemberStatus | None:
        if revision and times == 2 and number == 3:
            return None  # compacted meanwhile
        return _status(number, revision)

    read, asked = _read(monkeypatch, answer)
    assert asked == [0, 101, 0, 101]
    assert judge(read) == []


def test_finds_a_member_that_was_started_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(number: int, revision: int, _: int) -> MemberStatus | None:
        if number == 2:
            return _status(2, revision, revision=1)
        return None if revision else _status(number, revision)  # revision 1 was compacted long ago

    read, asked = _read(monkeypatch, answer)
    assert asked == [0, 1] * preflight.COMPARISONS
    (problem,) = judge(read)
    assert problem.host == "cluster"
    assert "they stand at master-1: 101, master-2: 1, master-3: 103" in problem.found


def test_asks_a_silent_member_once_and_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read, asked = _read(
        monkeypatch, lambda number, revision, _: None if number == 2 else _status(number, revision)
    )
    assert asked == [0, 101]
    assert [(one.host, one.found) for one in judge(read)] == [
        ("master-2", "a stacked etcd member that does not answer")
    ]
