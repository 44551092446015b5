"""Who may leave a cluster of stacked and external members, in which order, and what forbids it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import master, topology
from tests.unit.live_clusters import (
    ADDED,
    IDS,
    STACKED,
    listed_member,
    live_cluster,
    switched_master,
    unswitched_master,
)
from unstack import member_changes
from unstack.departure import (
    alive,
    departure_problems,
    external_members_of,
    find_joint,
    has_departed,
    leading,
    leaving_order,
    may_go,
    next_departure,
    next_to_take_out,
    removal_order,
    return_problems,
    stacked_members_of,
)
from unstack.live import LiveCluster
from unstack.members import ListedMember
from unstack.membership import Membership
from unstack.operations import confirm, grow


def test_a_stacked_member_belongs_to_the_master_whose_manifest_has_its_peer_url() -> None:
    cluster = live_cluster(*STACKED, *ADDED)
    assert {name: one.id for name, one in stacked_members_of(cluster).items()} == {
        name: IDS[name] for name in STACKED
    }


def test_a_retired_members_manifest_is_found_where_it_is_kept() -> None:
    there = switched_master("master-2")
    aside = replace(
        there,
        live={name: text for name, text in there.live.items() if name != "etcd"},
        kept={"etcd": there.live["etcd"]},
    )
    cluster = live_cluster(*STACKED, *ADDED, dead=("master-2",), master_2=aside)
    assert "master-2" in stacked_members_of(cluster)


def test_the_member_of_a_master_that_is_off_is_told_by_its_address_and_leaves() -> None:
    cluster = live_cluster("master-3", *ADDED, dead=("master-3",), leader="etcd-1")
    without = {name: one for name, one in cluster.masters.items() if name != "master-3"}
    cluster = replace(cluster, masters=without)
    assert list(stacked_members_of(cluster)) == ["master-3"]
    assert next_departure(cluster) == "master-3"


def test_nothing_keeps_stacked_members_from_leaving_a_wholelive_cluster() -> None:
    assert list(departure_problems(live_cluster(*STACKED, *ADDED))) == []


def test_an_api_server_whose_process_uses_its_stacked_member_keeps_all_of_them() -> None:
    # Its manifest names the external ones already: kubelet has not started it anew.
    old = replace(switched_master("master-2"), processes=master().processes)
    (problem,) = departure_problems(live_cluster(*STACKED, *ADDED, master_2=old))
    assert problem.host == "master-2"
    assert "does not run on the external etcd" in problem.found


@pytest.mark.parametrize(
    ("changes", "host", "found"),
    [
        ({"dead": ("etcd-2",)}, "etcd-2", "does not answer a linearizable read"),
        ({"learner": "etcd-3"}, "etcd-3", "is a learner"),
    ],
)
def test_an_external_member_that_is_no_healthy_voter_keeps_all_stacked_ones(
    changes: dict[str, Any], host: str, found: str
) -> None:
    (problem,) = departure_problems(live_cluster(*STACKED, *ADDED, **changes))
    assert problem.host == host
    assert found in problem.found


def test_an_external_member_that_is_not_listed_keeps_all_stacked_ones() -> None:
    (problem,) = departure_problems(live_cluster(*STACKED, "etcd-1", "etcd-2"))
    assert (problem.host, problem.found) == ("etcd-3", "an external member that is not listed")


def test_a_dead_stacked_member_keeps_nobody_and_leaves_first() -> None:
    cluster = live_cluster(*STACKED, *ADDED, dead=("master-3",))
    assert list(departure_problems(cluster)) == []
    assert leaving_order(cluster, stacked_members_of(cluster)) == ["master-3", "master-1", "master-2"]


def test_a_member_of_no_host_is_left_to_people() -> None:
    cluster = live_cluster(*STACKED, *ADDED)
    stranger = ListedMember(99, "old", ("https://172.30.0.99:2380",), (), False)
    cluster = replace(cluster, membership=Membership((*cluster.membership.listed, stranger)))
    (problem,) = departure_problems(cluster)
    assert "the member old at https://172.30.0.99:2380 of no host" in problem.found


def test_going_back_needs_every_stacked_member() -> None:
    assert list(return_problems(live_cluster(*STACKED, "etcd-1"))) == []
    (problem,) = return_problems(live_cluster(*STACKED, "etcd-1", dead=("master-2",)))
    assert problem.host == "master-2"


def test_external_members_leave_learner_first_then_the_dead_then_the_last_that_came() -> None:
    assert removal_order(live_cluster(*STACKED, *ADDED)) == ["etcd-3", "etcd-2", "etcd-1"]
    assert removal_order(live_cluster(*STACKED, *ADDED, dead=("etcd-1",), learner="etcd-2")) == [
        "etcd-2",
        "etcd-1",
        "etcd-3",
    ]


@pytest.mark.parametrize(
    ("names", "dead", "leaving", "may"),
    [
        # All voters alive: anybody.
        ((*STACKED, *ADDED), (), "master-1", True),
        ((*ADDED, "master-1", "master-2"), (), "master-1", True),
        # 6 voters, one dead: 1 may fail, and still may with 5.
        ((*STACKED, *ADDED), ("etcd-1",), "master-1", True),
        # 5 voters, one dead: 1 may fail; with 4 none could.
        ((*ADDED, "master-1", "master-2"), ("etcd-1",), "master-1", False),
        # 4 voters, one dead: none may fail, nor with 3.
        ((*ADDED, "master-1"), ("etcd-1",), "master-1", True),
        # 3 voters, one dead: with 2, of which one is alive, the quorum would be lost.
        ((*ADDED,), ("etcd-1",), "etcd-2", False),
        # The dead one may always leave.
        ((*ADDED, "master-1", "master-2"), ("etcd-1",), "etcd-1", True),
        ((*ADDED,), ("etcd-1",), "etcd-1", True),
    ],
)
def test_no_departure_leaves_fewer_that_may_fail_than_one_or_than_before(
    names: tuple[str, ...], dead: tuple[str, ...], leaving: str, may: bool
) -> None:
    leader = next(name for name in names if name not in dead)
    cluster = live_cluster(*names, dead=dead, leader=leader)
    assert may_go(cluster, listed_member(leaving)) is may


def test_the_first_departure_is_told_by_the_list_of_members() -> None:
    whole = live_cluster(*STACKED, *ADDED, dead=("master-2",))
    assert not has_departed(whole.membership, topology())
    assert has_departed(live_cluster("master-1", "master-2", *ADDED).membership, topology())


def test_one_cluster_is_told_from_two() -> None:
    joint = live_cluster(*STACKED, "etcd-1")
    assert find_joint(joint.masters, joint.statuses, topology()) is not None
    stacked, external = live_cluster(*STACKED), live_cluster(*ADDED, leader="etcd-1")
    both = {**stacked.statuses, **external.statuses}
    assert find_joint(stacked.masters, both, topology()) is None


def test_an_external_cluster_that_was_grown_by_hand_is_not_joint() -> None:
    migrated = live_cluster(*ADDED, leader="etcd-1")
    stranger = ListedMember(99, "etcd-4", ("https://172.30.0.99:2380",), (), False)
    listed = (*migrated.membership.listed, stranger)
    grown = {name: replace(one, members=listed) for name, one in migrated.statuses.items() if one}
    assert find_joint(migrated.masters, grown, topology()) is None


def test_the_last_stacked_member_is_one_of_the_cluster_although_its_master_is_off() -> None:
    cluster = live_cluster("master-3", *ADDED, dead=("master-3",), leader="etcd-1")
    reachable = {name: one for name, one in cluster.masters.items() if name != "master-3"}
    assert find_joint(reachable, cluster.statuses, topology()) is not None


def test_a_confirmation_stops_no_stacked_member_that_the_quorum_may_need(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run: Any = SimpleNamespace(topology=topology())
    whole, last = live_cluster(*STACKED, *ADDED), live_cluster("master-3", *ADDED, dead=("master-3",))
    for joint in (whole, last):
        monkeypatch.setattr(confirm, "observe_members", lambda _, found=joint.statuses: found)
        with pytest.raises(OperationError):
            confirm.check_apart(run, {})
    assert "the stacked members master-1, master-2, master-3 in one cluster with external ones" in caplog.text
    assert "the stacked members master-3 in one" in caplog.text
    assert "run deploy.py, which lets them leave" in caplog.text
    # Those of a migration by snapshot run beside the external cluster until they are stopped.
    apart = {**live_cluster(*STACKED).statuses, **live_cluster(*ADDED, leader="etcd-1").statuses}
    monkeypatch.setattr(confirm, "observe_members", lambda _: apart)
    confirm.check_apart(run, {})


def test_the_leader_is_told_by_its_host() -> None:
    assert leading(live_cluster(*STACKED, *ADDED, leader="etcd-2")) == "etcd-2"
    assert leading(live_cluster(*STACKED, *ADDED, leader="etcd-2", dead=("etcd-2",))) is None


def _without(cluster: LiveCluster, name: str) -> LiveCluster:
    listed = tuple(one for one in cluster.membership.listed if one.id != IDS[name])
    return replace(cluster, membership=Membership(listed))


def _until_none(cluster: LiveCluster, choose: Callable[[LiveCluster], str | None]) -> LiveCluster:
    """The cluster once nobody leaves any more; on the way there is always a quorum."""
    while (name := choose(cluster)) is not None:
        cluster = _without(cluster, name)
        voters = {one.id for one in cluster.membership.voters}
        assert len(voters & alive(cluster)) > len(voters) // 2
    return cluster


def _names(cluster: LiveCluster) -> set[str]:
    return {one.name for one in cluster.membership.listed}


@pytest.mark.parametrize(
    ("left", "dead", "stay"),
    [
        (("master-1", "master-2"), (), set()),
        (("master-1",), (), set()),
        (("master-1", "master-2"), ("master-2",), set()),
        # 5 voters with a dead external one tolerate one more failure, 3 would not.
        (("master-1", "master-2"), ("etcd-1",), {"master-1", "master-2"}),
        # 4 with a dead one tolerate none, nor do 3: no even number.
        (("master-1",), ("etcd-1",), set()),
        (("master-1", "master-2"), ("etcd-1", "master-1"), set()),
    ],
)
def test_after_a_departure_the_others_follow_unless_a_failure_would_be_harder_to_bear(
    left: tuple[str, ...], dead: tuple[str, ...], stay: set[str]
) -> None:
    leader = next(name for name in ADDED if name not in dead)
    cluster = _until_none(live_cluster(*left, *ADDED, dead=dead, leader=leader), next_departure)
    assert _names(cluster) == {*ADDED, *stay}


def test_a_member_whose_api_server_uses_it_does_not_follow() -> None:
    old = unswitched_master("master-1")
    cluster = live_cluster("master-1", "master-2", *ADDED, leader="etcd-1", master_1=old)
    assert next_departure(cluster) == "master-2"
    assert next_departure(cluster, {"master-2"}) is None


@pytest.mark.parametrize(
    ("added", "dead", "learner", "stay"),
    [
        (("etcd-1",), ("master-2",), "", set()),
        (("etcd-1", "etcd-2"), ("master-2",), "", {"etcd-1", "etcd-2"}),
        (("etcd-1", "etcd-2"), ("master-2",), "etcd-2", set()),
        (ADDED, ("master-2",), "", {"etcd-1", "etcd-2"}),
        (ADDED, ("master-2",), "etcd-3", {"etcd-1", "etcd-2"}),
        (ADDED, ("etcd-2",), "", {"etcd-1", "etcd-3"}),
        (("etcd-1", "etcd-2"), ("etcd-2",), "", set()),
    ],
)
def test_half_way_an_odd_number_of_voters_stays_without_learners_and_dead(
    added: tuple[str, ...], dead: tuple[str, ...], learner: str, stay: set[str]
) -> None:
    masters: dict[str, Any] = {name.replace("-", "_"): unswitched_master(name) for name in STACKED}
    cluster = live_cluster(*STACKED, *added, dead=dead, learner=learner, **masters)
    assert _names(_until_none(cluster, next_to_take_out)) == {*STACKED, *stay}


def test_the_last_external_member_that_an_api_server_uses_stays() -> None:
    cluster = live_cluster(*STACKED, "etcd-1", dead=("master-2",))
    assert next_to_take_out(cluster) is None
    masters: dict[str, Any] = {name.replace("-", "_"): unswitched_master(name) for name in STACKED}
    masters["master_1"] = replace(masters["master_1"], processes=switched_master("master-1").processes)
    cluster = live_cluster(*STACKED, "etcd-1", dead=("master-2",), **masters)
    assert next_to_take_out(cluster) is None


def test_who_failed_to_leave_is_not_asked_again() -> None:
    cluster = live_cluster(*STACKED, *ADDED, dead=("etcd-2",), learner="etcd-3")
    assert next_to_take_out(cluster) == "etcd-3"
    assert next_to_take_out(cluster, {"etcd-3"}) == "etcd-2"
    assert next_to_take_out(cluster, {"etcd-2", "etcd-3"}) is None


def test_a_stacked_member_that_dies_after_the_switches_does_not_keep_the_others_from_leaving() -> None:
    whole = (*STACKED, *ADDED)
    assert grow._is_to_be_compared(live_cluster(*whole))
    assert not grow._is_to_be_compared(live_cluster(*whole, dead=("master-2",)))
    # Before that nothing was compared, or a member that has joined since was not.
    unswitched = unswitched_master("master-2")
    not_switched = replace(unswitched, processes=master().processes)
    assert grow._is_to_be_compared(live_cluster(*whole, dead=("master-2",), master_2=not_switched))
    assert grow._is_to_be_compared(live_cluster(*STACKED, "etcd-1", dead=("master-2",)))
    assert grow._is_to_be_compared(live_cluster(*whole, dead=("etcd-1",)))
    assert not grow._is_to_be_compared(live_cluster(*ADDED))


def test_the_lead_goes_to_the_one_that_is_restarted_last(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[tuple[str, str, int]] = []
    monkeypatch.setattr(member_changes, "move_lead", lambda _, *move: moves.append(move))
    monkeypatch.setattr(member_changes, "tell_quorum", lambda *_: None)
    run: Any = None
    for dead in ((), ("etcd-3",)):
        cluster = live_cluster(*STACKED, *ADDED, leader="master-1", dead=dead)
        member_changes.hand_over(run, cluster, external_members_of(cluster))
    cluster = live_cluster(*STACKED, *ADDED, leader="etcd-2")
    member_changes.hand_over(run, cluster, external_members_of(cluster))
    assert [(leader, heir) for leader, _, heir in moves] == [
        ("master-1", IDS["etcd-3"]),
        ("master-1", IDS["etcd-2"]),
    ]
