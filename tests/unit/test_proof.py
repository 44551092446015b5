"""The proof notices every difference that health checks do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cluster import CONTENT, member, topology
from unstack.members import Content, ListedMember, MemberStatus
from unstack.proof import Proof

TOPOLOGY = topology()
MEMBERS = {(one.name, (one.peer_url,)) for one in TOPOLOGY.members}
LISTED = tuple(
    ListedMember(number, one.name, (one.peer_url,), (one.client_url,), False)
    for number, one in enumerate(TOPOLOGY.members, start=1)
)
OWN = replace(CONTENT, leases=None, users=None, roles=None)


def _own(number: int, **changes: object) -> MemberStatus:
    return member(number, **{"members": None, "alarms": None, "content": OWN, **changes})


# The first of either side is asked for what is the cluster's, the others for what is their own.
OLD = {"master-1": member(1), "master-2": _own(2), "master-3": _own(3)}
NEW = {
    "etcd-1": member(1, members=LISTED, version="3.5.30", cluster_id=2),
    "etcd-2": _own(2, version="3.5.30", cluster_id=2),
    "etcd-3": _own(3, version="3.5.30", cluster_id=2),
}


def _found(**changed: MemberStatus) -> list[str]:
    new = {**NEW, **{name.replace("_", "-"): status for name, status in changed.items()}}
    return [f"{p.host}: {p.found}" for p in Proof(100, OLD, new).problems(MEMBERS)]


def test_equal_clusters_are_proven() -> None:
    assert _found() == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (replace(OWN, hash=1), "hash 1"),
        (replace(OWN, compact_revision=1), "compact_revision 1"),
        # The empty voter: healthy, and with nothing in it.
        (replace(OWN, keys=0), "keys 0"),
    ],
)
def test_notices_other_content_of_a_member(content: Content, found: str) -> None:
    assert _found(etcd_2=replace(NEW["etcd-2"], content=content))[0].startswith(f"etcd-2: {found}")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (replace(CONTENT, users=frozenset({"root"})), "users ['root']"),
        (replace(CONTENT, roles=frozenset({"root"})), "roles ['root']"),
        (replace(CONTENT, leases=frozenset({1})), "leases them missing"),
        (OWN, "users None"),
    ],
)
def test_notices_another_state_of_the_cluster(content: Content, found: str) -> None:
    assert _found(etcd_1=replace(NEW["etcd-1"], content=content))[0].startswith(f"etcd-1: {found}")


def test_a_lease_that_ran_out_on_the_fenced_side_alone_is_no_difference() -> None:
    more = replace(CONTENT, leases=CONTENT.leases | {3}, revision=105)
    assert _found(etcd_1=replace(NEW["etcd-1"], content=more)) == []


def test_a_proof_without_the_clusters_own_lists_is_none() -> None:
    assert any("no list of members" in text for text in _found(etcd_1=_own(1, cluster_id=2)))


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (replace(NEW["etcd-1"], is_healthy=False), "etcd-1: no answer"),
        (replace(NEW["etcd-1"], alarms=("NOSPACE of member 3",)), "etcd-1: alarm"),
        (replace(NEW["etcd-1"], leader=3), "cluster: leaders"),
        (replace(NEW["etcd-1"], cluster_id=3), "cluster: leaders"),
        (replace(NEW["etcd-1"], members=LISTED[:2]), "etcd-1: members"),
        (
            replace(NEW["etcd-1"], members=(*LISTED[:2], replace(LISTED[2], is_learner=True))),
            "etcd-1: a learner",
        ),
    ],
)
def test_notices_another_membership(status: MemberStatus, found: str) -> None:
    assert any(text.startswith(found) for text in _found(etcd_1=status))
