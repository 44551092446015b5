"""The proof notices every difference that health checks do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cluster import CONTENT, member, topology
from unstack.members import Content, ListedMember, MemberStatus
from unstack.proof import Proof

TOPOLOGY = topology()
OLD = {f"master-{number}": member(number) for number in (1, 2, 3)}
LISTED = tuple(
    ListedMember(number, one.name, (one.peer_url,), (one.client_url,), False)
    for number, one in enumerate(TOPOLOGY.members, start=1)
)
NEW = {f"etcd-{number}": member(number, members=LISTED, version="3.5.30") for number in (1, 2, 3)}


def _found(**changed: MemberStatus) -> list[str]:
    new = {**NEW, **{name.replace("_", "-"): status for name, status in changed.items()}}
    return [f"{p.host}: {p.found}" for p in Proof(100, OLD, new).problems(TOPOLOGY)]


def test_equal_clusters_are_proven() -> None:
    assert _found() == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (replace(CONTENT, hash=1), "hash 1"),
        (replace(CONTENT, compact_revision=1), "compact_revision 1"),
        # The empty voter: healthy, and with nothing in it.
        (replace(CONTENT, keys=0), "keys 0"),
        (replace(CONTENT, users=frozenset({"root"})), "users ['root']"),
        (replace(CONTENT, leases=frozenset({1})), "leases them missing"),
    ],
)
def test_notices_other_content(content: Content, found: str) -> None:
    assert _found(etcd_2=replace(NEW["etcd-2"], content=content))[0].startswith(f"etcd-2: {found}")


def test_a_lease_that_ran_out_on_the_fenced_side_alone_is_no_difference() -> None:
    more = replace(CONTENT, leases=CONTENT.leases | {3}, revision=105)
    assert _found(etcd_1=replace(NEW["etcd-1"], content=more)) == []


def test_a_lease_that_ran_out_between_two_readings_of_the_stacked_members_is_no_difference() -> None:
    fewer = replace(OLD["master-3"], content=replace(CONTENT, leases=frozenset({1})))
    assert list(Proof(100, {**OLD, "master-3": fewer}, NEW).problems(TOPOLOGY)) == []


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (replace(NEW["etcd-3"], is_healthy=False), "etcd-3: no answer"),
        (replace(NEW["etcd-3"], alarms=("NOSPACE of member 3",)), "etcd-3: alarm"),
        (replace(NEW["etcd-3"], leader=3), "cluster: leaders"),
        (replace(NEW["etcd-3"], members=LISTED[:2]), "etcd-3: members"),
        (
            replace(NEW["etcd-3"], members=(*LISTED[:2], replace(LISTED[2], is_learner=True))),
            "etcd-3: a learner",
        ),
    ],
)
def test_notices_another_membership(status: MemberStatus, found: str) -> None:
    assert any(text.startswith(found) for text in _found(etcd_3=status))
