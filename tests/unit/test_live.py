"""A live migration's cluster: who is asked, what forbids a change, and how a member is told to join."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import datetime, timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import ETCD, OURS, TEMPLATES, master, topology
from tests.unit.live_clusters import live_cluster, switched_master
from unstack.compose import knows_external_alone, render_compose
from unstack.departure import alive, told
from unstack.live import LiveCluster
from unstack.members import ListedMember, MemberStatus
from unstack.membership import Membership
from unstack.observations import Mark, MasterHost, MemberData, Restored
from unstack.operations import confirm, cutover, fence, live, restore, settle
from unstack.operations.live import tell_quorum
from unstack.topology import Topology

TEMPLATE = (TEMPLATES / "docker-compose.yaml.j2").read_text()
STACKED = {"master-1": 1, "master-2": 2, "master-3": 3}
EXTERNAL = {"etcd-1": 11, "etcd-2": 12, "etcd-3": 13}


def _listed(name: str, cluster: Topology, *, learner: bool = False, started: bool = True) -> ListedMember:
    address = next(one.address for one in (*cluster.masters, *cluster.members) if one.name == name)
    number = {**STACKED, **EXTERNAL}[name]
    # kubeadm names a stacked member after its node, which need not be the inventory's name.
    shown = name if name in EXTERNAL else f"node-{number}"
    return ListedMember(number, shown if started else "", (f"https://{address}:2380",), (), learner)


def _status(listed: ListedMember, leader: int, *, healthy: bool = True, alarm: str = "") -> MemberStatus:
    return MemberStatus(
        cluster_id=7,
        member_id=listed.id,
        version="3.5.30",
        revision=100,
        database_bytes=1,
        leader=leader,
        raft_term=2,
        is_healthy=healthy and not listed.is_learner,
        members=(),
        alarms=(alarm,) if alarm else (),
        content=None,
        is_learner=listed.is_learner,
    )


def _cluster(
    *external: str, learner: str = "", unstarted: str = "", dead: str = "", ill: str = "", alarm: str = ""
) -> LiveCluster:
    """Three stacked members and these external ones; `dead` does not answer, `ill` has no quorum."""
    inventory = topology()
    listed = [
        _listed(name, inventory, learner=name in (learner, unstarted), started=name != unstarted)
        for name in (*STACKED, *external)
    ]
    statuses = {
        name: None
        if name in (dead, unstarted)
        else _status(one, 1, healthy=name != ill, alarm=alarm if name == "master-1" else "")
        for name, one in zip((*STACKED, *external), listed, strict=True)
    }
    masters: dict[str, MasterHost] = {
        name: master(live={"etcd": ETCD.replace("--name=cp-b", f"--name=node-{number}")})
        for name, number in STACKED.items()
    }
    return LiveCluster(inventory, masters, statuses, Membership(tuple(listed)))


def test_a_learner_is_started_with_exactly_the_list_of_members_and_its_own_name() -> None:
    cluster = _cluster("etcd-1", "etcd-2", unstarted="etcd-2")
    assert cluster.membership.initial_cluster(cluster.topology) == (
        "node-1=https://172.30.0.11:2380,node-2=https://172.30.0.12:2380,node-3=https://172.30.0.13:2380,"
        "etcd-1=https://172.30.0.31:2380,etcd-2=https://172.30.0.32:2380"
    )


def test_a_member_with_several_peer_urls_is_named_with_each_of_them() -> None:
    inventory = topology()
    both = ListedMember(1, "node-1", ("https://172.30.0.11:2380", "https://10.0.0.1:2380"), (), False)
    joined = Membership((both,)).initial_cluster(inventory)
    assert joined == "node-1=https://172.30.0.11:2380,node-1=https://10.0.0.1:2380"


def test_the_compose_file_of_a_member_that_joins_differs_in_the_initial_cluster_alone() -> None:
    cluster = _cluster("etcd-1", unstarted="etcd-1")
    inventory, member = cluster.topology, cluster.topology.members[0]
    joining = cluster.membership.initial_cluster(inventory)
    first = yaml.safe_load(render_compose(inventory, member, TEMPLATE, joining))["services"]["etcd"]
    later = yaml.safe_load(render_compose(inventory, member, TEMPLATE))["services"]["etcd"]
    differing = set(first.pop("command")) ^ set(later.pop("command"))
    assert differing == {f"--initial-cluster={joining}", f"--initial-cluster={inventory.initial_cluster}"}
    assert first == later


def test_a_member_has_settled_once_it_was_told_of_the_external_members_alone() -> None:
    inventory = topology()
    names = [f"{one.name}={one.peer_url}" for one in inventory.members]
    assert knows_external_alone(["etcd", f"--initial-cluster={','.join(names)}"], inventory)
    # The order is the inventory's, which may have been changed since.
    assert knows_external_alone(["etcd", f"--initial-cluster={','.join(reversed(names))}"], inventory)
    stacked = [*names, "node-1=https://172.30.0.11:2380"]
    assert not knows_external_alone(["etcd", f"--initial-cluster={','.join(stacked)}"], inventory)
    assert not knows_external_alone([], inventory)


def test_the_note_of_a_member_that_joined_names_its_cluster_and_no_snapshot() -> None:
    note = Restored.joined("test", "20260101T000000Z")
    read = Restored.parse(note.as_json)
    assert (read.has_joined, read.cluster, read.is_rehearsal) == (True, "test", False)
    assert not Restored.parse(json.dumps({**json.loads(note.as_json), "sha256": "4f"})).has_joined


def test_nothing_forbids_a_change_of_a_whole_cluster() -> None:
    assert list(_cluster("etcd-1").problems()) == []


def test_a_learner_forbids_nothing_although_it_answers_no_linearizable_read() -> None:
    assert list(_cluster("etcd-1", "etcd-2", learner="etcd-2").problems()) == []
    assert list(_cluster("etcd-1", "etcd-2", unstarted="etcd-2").problems()) == []


def test_a_voter_that_does_not_answer_is_named_by_its_host() -> None:
    for name in ("master-2", "etcd-1"):
        (problem,) = _cluster("etcd-1", dead=name).problems()
        assert problem.host == name
        (problem,) = _cluster("etcd-1", ill=name).problems()
        assert problem.host == name


def test_an_alarm_forbids_every_change_and_is_told_once() -> None:
    (problem,) = _cluster(alarm="NOSPACE of member 1").problems()
    assert "NOSPACE of member 1" in problem.found


def test_changes_are_asked_of_a_healthy_stacked_member() -> None:
    assert _cluster("etcd-1").stacked_to_ask == "master-1"
    assert _cluster("etcd-1", dead="master-1").stacked_to_ask == "master-2"
    assert _cluster("etcd-1", ill="master-1").stacked_to_ask == "master-2"


def test_the_cluster_has_grown_when_every_external_member_votes() -> None:
    assert not _cluster().all_external_vote
    assert not _cluster("etcd-1", "etcd-2").all_external_vote
    assert not _cluster("etcd-1", "etcd-2", "etcd-3", learner="etcd-3").all_external_vote
    assert _cluster("etcd-1", "etcd-2", "etcd-3").all_external_vote


def test_the_leader_is_found_among_the_members_that_answer() -> None:
    leader = _cluster("etcd-1").leader
    assert leader is not None
    assert leader.member_id == STACKED["master-1"]
    assert _cluster("etcd-1", dead="master-1").leader is None


def test_the_arithmetic_tells_who_votes_and_how_many_may_fail() -> None:
    assert told(_cluster("etcd-1", learner="etcd-1")) == ("3 voters and 1 learner: quorum 2, 1 may fail now")
    assert told(_cluster("etcd-1")) == "4 voters: quorum 3, 1 may fail now"
    assert told(_cluster(*EXTERNAL)) == "6 voters: quorum 4, 2 may fail now"


def test_a_voter_that_is_dead_already_is_named_and_is_none_that_may_fail() -> None:
    assert told(_cluster("etcd-1", "etcd-2", dead="master-2")) == (
        "5 voters, master-2 not healthy: quorum 3, 1 may fail now"
    )
    assert told(_cluster("etcd-1", ill="etcd-1")) == (
        "4 voters, etcd-1 not healthy: quorum 3, none may fail now"
    )
    cluster = _cluster(*EXTERNAL)
    assert cluster.membership.may_fail(alive(cluster)) == 2
    assert cluster.membership.may_fail(set()) == 0


def test_the_journal_is_told_the_same() -> None:
    noted: list[dict[str, object]] = []
    journal = SimpleNamespace(record=lambda event, **fields: noted.append(fields))
    run: Any = SimpleNamespace(journal=journal)
    tell_quorum(run, "a step", _cluster("etcd-1", "etcd-2", dead="etcd-2"))
    assert noted == [{"step": "a step", "voters": 5, "quorum": 3, "may_fail": 1}]


class Settled:
    """The end of settle in a run that found every member settled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, confirmed: Mark | None, *names: str) -> None:
        self.run: Any = SimpleNamespace(topology=topology(), results={}, planned={"switch": None})
        self.compared = False
        monkeypatch.setattr(settle, "known_masters", lambda run: {"master-1": master(confirmed=confirmed)})
        monkeypatch.setattr(settle, "observe_live", lambda run: live_cluster(*names, leader=names[0]))
        monkeypatch.setattr(settle, "compare_voters", self._compare)
        monkeypatch.setattr(confirm, "is_executing", lambda: True)

    def _compare(self, run: object) -> None:
        self.compared = True

    @property
    def is_due(self) -> bool:
        """Whether the confirmation then writes, and waits for leases."""
        return confirm._is_due(self.run)


def test_what_a_killed_run_has_not_compared_and_confirmed_the_next_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = Settled(monkeypatch, None, *EXTERNAL)
    settle.compare_settled(end.run)
    assert (end.compared, end.is_due) == (True, True)


def test_members_that_are_not_the_ones_of_the_inventory_alone_are_not_confirmed_by_a_second_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = Settled(monkeypatch, None, "etcd-1", "etcd-2")
    with pytest.raises(OperationError):
        settle.compare_settled(end.run)
    assert not end.compared


def test_a_confirmed_cluster_is_compared_only_after_another_change(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Settled(monkeypatch, Mark("r", datetime(2026, 11, 20, tzinfo=timezone.utc)), *EXTERNAL)
    settle.compare_settled(end.run)
    assert (end.compared, end.is_due) == (False, False)
    end.run.results["cutover_started"] = 1.0
    settle.compare_settled(end.run)
    assert (end.compared, end.is_due) == (True, True)


def _member_data(container: str = "running", *, note: Restored | None) -> MemberData:
    return MemberData(has_data=note is not None, restored=note, container=container)


def _run_on(
    monkeypatch: pytest.MonkeyPatch, switched: Iterable[str], members: dict[str, MemberData]
) -> SimpleNamespace:
    masters = {name: switched_master(name) if name in switched else master() for name in STACKED}
    monkeypatch.setattr(live, "known_masters", lambda run: masters)
    monkeypatch.setattr(live, "etcd_hosts", tuple)
    monkeypatch.setattr(live, "observe_member_data", lambda hosts, topology: members)
    return SimpleNamespace(topology=topology(), cache={}, results={}, on_failure=None)


def test_a_stage_of_the_snapshot_run_alone_is_refused_while_live_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined = _member_data(note=Restored.joined("test", "r"))
    members = {"etcd-1": joined, "etcd-2": joined, "etcd-3": _member_data("", note=None)}
    for switched in ((), ("master-1",)):
        run: Any = _run_on(monkeypatch, switched, members)
        with pytest.raises(OperationError, match="2 problems"):
            live.refuse_joined(run)


def test_what_a_snapshot_has_left_and_what_has_moved_as_a_whole_are_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    joined = Restored.joined("test", "r")
    for switched, members in (
        ((), {"etcd-1": _member_data(note=OURS)}),
        # Of a way back that was killed after the last removal.
        ((), {"etcd-1": _member_data("exited", note=joined)}),
        (STACKED, {"etcd-1": _member_data(note=joined)}),
    ):
        run: Any = _run_on(monkeypatch, switched, members)
        live.refuse_joined(run)


@pytest.mark.parametrize(
    ("module", "stage"),
    [(fence, "fence_master"), (restore, "restore_member"), (cutover, "check_prepared")],
)
def test_a_refused_stage_has_done_nothing_and_has_nothing_to_mend(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, stage: str
) -> None:
    joined = _member_data(note=Restored.joined("test", "r"))
    run = _run_on(monkeypatch, (), {"etcd-1": joined})
    monkeypatch.setattr(module, "is_executing", lambda: True)
    monkeypatch.setattr(module, "host", SimpleNamespace(name="etcd-1" if module is restore else "master-1"))
    monkeypatch.setattr(module, "known_masters", live.known_masters)
    commands = getattr(module, stage)._inner.__wrapped__(run)
    with pytest.raises(OperationError, match="1 problem"):
        next(commands)
    assert (run.on_failure, run.results) == (None, {})


@pytest.mark.parametrize(
    ("planned", "confirmed", "joined", "is_refused"),
    [
        ("", None, True, True),  # tasks/confirm.py after a settle that was killed
        ("settle", None, True, False),
        ("", Mark.parse('{"run": "r", "at": "2026-11-20T00:00:00+00:00"}'), True, False),
        ("", None, False, False),  # a migration by snapshot
    ],
)
def test_what_settle_has_not_compared_is_not_confirmed_by_itself(
    monkeypatch: pytest.MonkeyPatch, planned: str, confirmed: Mark | None, joined: bool, is_refused: bool
) -> None:
    note = Restored.joined("test", "20261124T000000Z") if joined else None
    members = {"etcd-1": MemberData(has_data=True, restored=note, container="running")}
    monkeypatch.setattr(confirm, "etcd_hosts", lambda: [])
    monkeypatch.setattr(confirm, "observe_member_data", lambda hosts, topology: members)
    run: Any = SimpleNamespace(topology=topology(), planned={planned: None})
    with pytest.raises(OperationError) if is_refused else nullcontext():
        confirm.check_compared(run, {"master-1": master(confirmed=confirmed)})
