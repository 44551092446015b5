"""How preflight asks the stacked members: all at one revision, and again where a compaction intervened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.unit.cluster import (
    CONTENT,
    ETCD,
    EXTERNAL,
    cluster,
    edited,
    etcd_host,
    external_member,
    joined,
    master,
    member,
    topology,
)
from unstack.facts import whole_cluster
from unstack.members import ListedMember, MemberStatus
from unstack.observations import Restored
from unstack.placement import Phase
from unstack.preflight import Cluster, judge
from unstack.strategy import Strategy

Answer = Callable[[int, int, int], MemberStatus | None]  # member number, revision, how often asked


def _read(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> tuple[Cluster, list[int]]:
    """The cluster as read from members that answer so, and the revisions at which they were asked."""
    asked: list[int] = []

    def ask(names: Mapping[str, str], revision: int = 0) -> dict[str, MemberStatus]:
        asked.append(revision)
        found = {name: answer(int(name[-1]), revision, len(asked)) for name in names}
        return {name: one for name, one in found.items() if one is not None}

    monkeypatch.setattr(whole_cluster, "_ask", ask)
    monkeypatch.setattr(whole_cluster, "COMPARISON_PAUSE_SECONDS", 0)
    masters = {
        f"master-{number}": master(
            live={**master().live, "etcd": ETCD.replace("--name=cp-b", f"--name=m{number}")}
        )
        for number in (1, 2, 3)
    }
    return whole_cluster._with_stacked(cluster(masters=masters, stacked={}, compared_revision=0)), asked


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
    assert asked == [0, 1] * whole_cluster.COMPARISONS
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


@pytest.mark.parametrize(("revision", "expected"), [(0, [["a", "b", "c"]]), (7, [["a"], ["b"], ["c"]])])
def test_members_make_their_hashes_in_turn_as_writes_go_on(
    monkeypatch: pytest.MonkeyPatch, revision: int, expected: list[list[str]]
) -> None:
    together = []

    def on_each(hosts: list[str], _: object) -> dict[str, MemberStatus]:
        together.append(hosts)
        return dict.fromkeys(hosts, member(1))

    monkeypatch.setattr(whole_cluster, "on_each", on_each)
    monkeypatch.setattr(whole_cluster, "inventory", SimpleNamespace(get_host=str))
    assert list(whole_cluster._ask({"a": "m1", "b": "m2", "c": "m3"}, revision)) == ["a", "b", "c"]
    assert together == expected


def _read_switched(
    monkeypatch: pytest.MonkeyPatch, listed: tuple[ListedMember, ...], answering: set[str], switched: int
) -> Cluster:
    """As read once so many API servers use the external members, of all members only these answering."""
    stacked = joined(*listed)
    external = {
        one.name: member(one.id, member_id=one.id, leader=1, members=stacked["master-1"].members)
        for one in listed
    }

    def ask(names: Mapping[str, str], revision: int = 0) -> dict[str, MemberStatus]:
        refusing = names.keys() & {one.name for one in listed if one.is_learner}
        assert not refusing, f"a learner refuses to list members and alarms: {refusing}"
        return {name: {**stacked, **external}[name] for name in names if name in answering}

    monkeypatch.setattr(whole_cluster, "_ask", ask)
    note = Restored.joined("test", "20261124T000000Z")
    masters = {
        f"master-{number}": master(
            live={
                **(edited("https://127.0.0.1:2379", EXTERNAL) if number <= switched else master().live),
                "etcd": ETCD.replace("--name=cp-b", f"--name=m{number}"),
            }
        )
        for number in (1, 2, 3)
    }
    hosts = {f"etcd-{number}": etcd_host(has_data=True, restored=note) for number in (1, 2, 3)}
    seen = cluster(
        topology=topology(strategy="live"),
        strategy=Strategy.LIVE,
        masters=masters,
        etcd_hosts=hosts,
        stacked={},
        compared_revision=0,
    )
    return whole_cluster._with_external(seen)


ALL = {*(f"master-{number}" for number in (1, 2, 3)), *(f"etcd-{number}" for number in (1, 2, 3))}
VOTERS = tuple(map(external_member, (1, 2, 3)))


@pytest.mark.parametrize(
    ("listed", "answering"),
    [
        pytest.param(VOTERS[:2], ALL - {"etcd-3"}, id="one was taken out"),
        pytest.param((*VOTERS[:2], external_member(3, is_learner=True)), ALL, id="one learns"),
        pytest.param(VOTERS, ALL - {"etcd-3"}, id="one stands still"),
        pytest.param(VOTERS[:1], ALL - {"etcd-1"}, id="the only one stands still"),
    ],
)
@pytest.mark.parametrize("switched", [1, 3])
def test_an_external_member_that_grow_adds_or_starts_again_stops_no_live_migration(
    monkeypatch: pytest.MonkeyPatch, listed: tuple[ListedMember, ...], answering: set[str], switched: int
) -> None:
    read = _read_switched(monkeypatch, listed, answering, switched)
    assert (read.under_way, judge(read)) == (Strategy.LIVE, [])


def test_a_dead_stacked_member_stops_the_switches_and_not_its_own_departure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    switching = _read_switched(monkeypatch, VOTERS, ALL - {"master-3"}, 1)
    assert ("master-3", "a stacked etcd member that does not answer") in [
        (one.host, one.found) for one in judge(switching)
    ]
    gone_on = _read_switched(monkeypatch, VOTERS, ALL - {"master-3"}, 3)
    assert (gone_on.phase, judge(gone_on)) == (Phase.EXTERNAL, [])


def test_a_member_that_settle_starts_again_stops_no_live_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    read = _read_switched(monkeypatch, VOTERS, {"etcd-1", "etcd-2"}, 3)
    assert (read.under_way, judge(read)) == (Strategy.LIVE, [])


def test_without_any_member_that_answers_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = judge(_read_switched(monkeypatch, VOTERS, set(), 3))
    assert [(one.host, one.found) for one in problems] == [
        (f"etcd-{number}", "an external etcd member that does not answer") for number in (1, 2, 3)
    ]
