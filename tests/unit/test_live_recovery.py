"""What follows a failed step of a live migration, in which order, with hosts and etcd played by a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cluster import master, topology
from tests.unit.live_clusters import ADDED, IDS, STACKED, live_cluster, switched_master, unswitched_master
from unstack import live_recovery
from unstack.departure import external_members_of
from unstack.live import LiveCluster
from unstack.membership import Membership


@dataclass
class Played:
    """A cluster whose members leave when they are told to, and what was done to it and said."""

    cluster: LiveCluster
    silent: list[str] = field(default_factory=list)
    broken: frozenset[str] = frozenset()  # hosts on which nothing works
    done: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    waited: set[float] = field(default_factory=set)  # for an API server to be ready, in seconds

    def look(self, run: object) -> tuple[LiveCluster, list[str]]:
        return self.cluster, self.silent

    def leave(self, run: object, cluster: LiveCluster, name: str) -> None:
        if name in self.broken:
            raise RuntimeError(name)
        self.done.append(name)
        listed = tuple(one for one in cluster.membership.listed if one.id != IDS[name])
        statuses = {
            host: replace(one, members=listed) if one else None for host, one in cluster.statuses.items()
        }
        self.cluster = replace(cluster, membership=Membership(listed), statuses=statuses)

    def return_api_server(self, run: object, one: Any, seconds: float) -> None:
        self.waited.add(seconds)
        if one.name in self.broken:
            raise RuntimeError(one.name)
        self.done.append(f"API server of {one.name}")

    def fail(self, monkeypatch: pytest.MonkeyPatch, *, unready: tuple[str, ...] = ()) -> None:
        """A step has failed."""

        def on_hosts(names: Iterable[str], work: Callable[[Any], object]) -> set[str]:
            failed = set()
            for name in names:
                try:
                    work(SimpleNamespace(name=name))
                except RuntimeError:
                    failed.add(name)
            return failed

        monkeypatch.setattr(live_recovery, "_look", self.look)
        monkeypatch.setattr(live_recovery, "SETTLE_SECONDS", 0.0)
        monkeypatch.setattr(live_recovery, "POLL_SECONDS", 0.0)
        monkeypatch.setattr(live_recovery, "let_external_leave", self.leave)
        monkeypatch.setattr(live_recovery, "let_stacked_leave", self.leave)
        monkeypatch.setattr(live_recovery, "return_api_server", self.return_api_server)
        monkeypatch.setattr(live_recovery, "unready", lambda run, names: [n for n in names if n in unready])
        monkeypatch.setattr(live_recovery, "on_hosts", on_hosts)
        hosts = [SimpleNamespace(name=name) for name in ADDED]
        monkeypatch.setattr(live_recovery, "etcd_hosts", lambda: hosts)
        monkeypatch.setattr(live_recovery, "advise", lambda found, to_do: self.told.append(found))
        journal = SimpleNamespace(record=lambda event, **fields: None)
        run: Any = SimpleNamespace(topology=topology(), lead=lambda: "master-1", journal=journal)
        live_recovery.after_live_failure(run)


def test_before_a_departure_api_servers_go_back_before_the_members(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(live_cluster(*STACKED, *ADDED))
    played.fail(monkeypatch, unready=("master-2",))
    assert played.done == [
        "API server of master-2",  # it serves nobody
        "API server of master-1",
        "API server of master-3",
        "etcd-3",
        "etcd-2",
        "etcd-1",
    ]
    assert played.told == [
        "the cluster consists of its stacked members again, every API server uses them, and nothing was lost"
    ]


def test_an_api_server_that_can_not_go_back_keeps_the_others_and_the_members_that_they_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Played(live_cluster(*STACKED, *ADDED), broken=frozenset({"master-2"}))
    played.fail(monkeypatch)
    assert played.done == ["API server of master-1", "etcd-3"]
    assert played.waited == {topology().settings.ready_timeout_seconds}
    assert "5 voters: quorum 3, 2 may fail now" in played.told[-1]


def test_an_api_server_whose_process_is_not_back_keeps_the_members_although_its_manifest_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back: dict[str, Any] = {name.replace("-", "_"): unswitched_master(name) for name in STACKED[1:]}
    hung = replace(unswitched_master("master-1"), processes=switched_master("master-1").processes)
    joint = live_cluster(*STACKED, *ADDED, master_1=hung, **back)
    played = Played(joint, broken=frozenset({"master-1"}))
    played.fail(monkeypatch)
    assert played.done == ["etcd-3"]
    assert list(external_members_of(played.cluster)) == ["etcd-1", "etcd-2"]


def test_an_external_host_that_does_nothing_keeps_no_other_from_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Played(live_cluster(*STACKED, *ADDED), broken=frozenset({"etcd-2"}))
    played.fail(monkeypatch)
    assert played.done[3:] == ["etcd-3", "etcd-1"]
    assert list(external_members_of(played.cluster)) == ["etcd-2"]
    assert "4 voters" in played.told[-1]  # it could not be removed: people are told


def test_with_a_dead_stacked_member_there_is_no_way_back_and_an_odd_number_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unswitched = replace(unswitched_master("master-3"), processes=master().processes)
    played = Played(live_cluster(*STACKED, *ADDED, dead=("master-2",), master_3=unswitched))
    played.fail(monkeypatch)
    assert played.done == ["etcd-3"]
    assert "5 voters, master-2 not healthy: quorum 3, 1 may fail now" in played.told[-1]


def test_once_no_api_server_needs_it_a_dead_stacked_member_leaves_and_no_healthy_external_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Played(live_cluster(*STACKED, *ADDED, dead=("master-2",)))
    played.fail(monkeypatch)
    assert played.done == ["master-2"]
    assert "5 voters: quorum 3, 2 may fail now" in played.told[-1]


def test_a_master_that_can_not_be_reached_is_no_master_to_go_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(live_cluster(*STACKED, "etcd-1", "etcd-2"), silent=["master-3"])
    played.fail(monkeypatch)
    assert played.done == []
    assert "5 voters" in played.told[-1]


def test_after_a_departure_the_others_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(live_cluster("master-2", "master-3", *ADDED, dead=("master-3",), leader="etcd-1"))
    played.fail(monkeypatch)
    assert played.done == ["master-3", "master-2"]
    assert "3 voters: quorum 2, 1 may fail now" in played.told[-1]


def test_before_any_member_was_added_nothing_has_to_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(live_cluster(*STACKED))
    played.fail(monkeypatch)
    assert (played.done, played.told) == ([], [])
