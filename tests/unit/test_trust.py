"""Who has read which CA file, and which member may be restarted when."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from tests.unit.cluster import member, topology
from unstack.members import ListedMember, MemberStatus
from unstack.trust import Trust, member_problems, read_trust, sha256_of, successor, trust_problems

FILE = "/etc/etcd/pki/ca.crt"
NEW = sha256_of("new")
READ = Trust((FILE,), NEW, frozenset({"7 100"}), (NEW, "5 50"))


def test_a_process_that_began_after_the_file_was_brought_has_read_it() -> None:
    assert READ.has_read(NEW)


@pytest.mark.parametrize(
    "trust",
    [
        replace(READ, sha256=sha256_of("old")),
        replace(READ, noted=()),
        replace(READ, noted=(sha256_of("old"), "5 50")),
        replace(READ, noted=(NEW, "7 100")),
        replace(READ, processes=frozenset()),
        replace(READ, processes=frozenset({"7 100", "5 50"})),
    ],
    ids=["another file", "no note", "note of another file", "not restarted", "nothing runs", "old one too"],
)
def test_any_doubt_is_a_process_that_has_not_read_it(trust: Trust) -> None:
    assert not trust.has_read(NEW)


def test_a_pid_that_was_given_again_is_another_process() -> None:
    assert replace(READ, noted=(NEW, "7 99")).has_read(NEW)


def test_a_report_without_a_process_or_a_note_is_read() -> None:
    yes = base64.b64encode(b"yes").decode()
    assert read_trust([f"read {yes}"]) == Trust((), None, frozenset(), ())
    with pytest.raises(KeyError):
        read_trust([])


def test_a_host_with_another_ca_than_the_control_nodes_is_named() -> None:
    trusts = {
        "etcd-1": Trust((FILE,), sha256_of("a"), frozenset(), ()),
        "etcd-2": Trust((FILE,), sha256_of("somebody's"), frozenset(), ()),
        "etcd-3": Trust(("/somewhere/ca.crt",), sha256_of("a"), frozenset(), ()),
        "master-1": Trust((), None, frozenset(), ()),
    }
    found = trust_problems(trusts, dict.fromkeys(trusts, FILE), ["a", "ab"])
    assert [(one.host, one.found) for one in found] == [
        ("etcd-2", f"{FILE} that is not the CA of this control node"),
        ("etcd-3", "a process with the CA file /somewhere/ca.crt"),
        ("master-1", f"no {FILE}"),
    ]


LISTED = tuple(
    ListedMember(one, f"etcd-{one}", (f"https://172.30.0.3{one}:2380",), (), False) for one in (1, 2, 3)
)


def _members(**changes: object) -> dict[str, MemberStatus | None]:
    """Three healthy external members, of which the first leads; `changes` to the second."""
    return {
        "etcd-1": member(1, members=LISTED),
        "etcd-2": member(2, members=None, alarms=None, **changes),
        "etcd-3": member(3, members=None, alarms=None),
    }


def test_healthy_members_may_be_restarted() -> None:
    assert member_problems(_members(), topology()) == []


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (_members(is_healthy=False), "an external member that does not answer a linearizable read"),
        ({**_members(), "etcd-2": None}, "an external member that does not answer a linearizable read"),
        (_members(leader=0), "an external member without a leader"),
        (
            {**_members(), "etcd-2": member(2, members=None, alarms=("NOSPACE of member 2",))},
            "the alarm NOSPACE",
        ),
    ],
    ids=["unhealthy", "silent", "no leader", "alarm"],
)
def test_none_is_restarted_while_one_is_unwell(statuses: dict[str, MemberStatus | None], found: str) -> None:
    (problem,) = member_problems(statuses, topology())
    assert problem.host == "etcd-2"
    assert problem.found.startswith(found)


@pytest.mark.parametrize("listed", [LISTED[:2], (*LISTED[:2], replace(LISTED[2], is_learner=True))])
def test_none_is_restarted_while_a_member_is_missing(listed: tuple[ListedMember, ...]) -> None:
    statuses = {**_members(), "etcd-1": member(1, members=listed)}
    (problem,) = member_problems(statuses, topology())
    assert "etcd-1, etcd-2" in problem.found
    assert "etcd-3" not in problem.found


def test_the_lead_goes_to_a_member_that_has_had_its_turn() -> None:
    order = ["etcd-1", "etcd-2", "etcd-3"]

    def led_by(leader: int) -> dict[str, MemberStatus]:
        return {f"etcd-{one}": member(one, leader=leader) for one in (1, 2, 3)}

    assert successor("etcd-1", led_by(1), order) == 3, "none has had its turn: the last one"
    assert successor("etcd-2", led_by(2), order) == 1
    assert successor("etcd-3", led_by(3), order) == 1
    assert successor("etcd-2", led_by(1), order) is None
    assert successor("etcd-1", {"etcd-1": member(1)}, ["etcd-1"]) is None, "nobody else"
