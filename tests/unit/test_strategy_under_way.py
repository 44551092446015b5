"""A migration that has begun keeps its strategy: it is gone on with, and the other one is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cluster import (
    APISERVER,
    EXTERNAL,
    cluster,
    etcd_host,
    external_member,
    fenced_master,
    joined,
    master,
    member,
    topology,
)
from unstack.observations import EtcdHost, Mark, Restored
from unstack.preflight import Cluster, judge, reasons, strategy_by
from unstack.strategy import Strategy

LIVE = {"strategy": Strategy.LIVE, "topology": topology(strategy="live")}
ON_EXTERNAL = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}
CONFIRMED = Mark.parse('{"run": "r", "at": "2026-11-20T00:00:00+00:00"}')


def _ours(**changes: object) -> EtcdHost:
    """The host of an external member that has joined and runs."""
    note = Restored.joined("test", "20261124T000000Z")
    return etcd_host(
        **{
            "has_data": True,
            "restored": note,
            "container": "running",
            "container_is_ours": True,
            "listening": frozenset({2379, 2380, 2381}),
            **changes,
        }
    )


GROWING = [
    # Listed and never started: killed in between.
    (joined(external_member(1, is_learner=True, started=False)), {}),
    (joined(external_member(1, is_learner=True)), {"etcd-1": _ours()}),
    # Its container was stopped by hand.
    (joined(external_member(1)), {"etcd-1": _ours(container="exited", listening=frozenset())}),
    (joined(*map(external_member, (1, 2, 3))), {f"etcd-{number}": _ours() for number in (1, 2, 3)}),
    # Promoted last it leads by now.
    (
        {name: replace(one, leader=31) for name, one in joined(external_member(1)).items()},
        {"etcd-1": _ours(free_bytes=2**20)},
    ),
]


@pytest.mark.parametrize(("stacked", "hosts"), GROWING)
def test_what_a_killed_growth_leaves_is_gone_on_with(stacked: object, hosts: dict[str, EtcdHost]) -> None:
    under_way = cluster(**LIVE, stacked=stacked, etcd_hosts={**cluster().etcd_hosts, **hosts})
    assert under_way.under_way is Strategy.LIVE
    assert judge(under_way) == []
    auto = replace(under_way, topology=topology(strategy="auto"))
    assert strategy_by(auto) is Strategy.LIVE
    assert next(iter(reasons(auto))).startswith("a migration of this strategy is under way: etcd-1")


def test_the_snapshot_strategy_is_refused_while_live_is_under_way() -> None:
    (problem,) = judge(cluster(stacked=joined(external_member(1, is_learner=True))))
    assert problem.host == "group_data"
    assert "the strategy snapshot while a live migration is under way: etcd-1 in the list" in problem.found
    assert "--data strategy=live" in problem.action
    assert "tasks/rollback.py" in problem.action


def test_live_is_refused_behind_a_fence_and_auto_goes_on_with_the_snapshot() -> None:
    fenced = {f"master-{number}": fenced_master() for number in (1, 2, 3)}
    (problem,) = judge(cluster(**LIVE, masters=fenced))
    assert "the fence is closed on master-1, master-2, master-3" in problem.found
    assert "--data strategy=snapshot" in problem.action
    assert strategy_by(cluster(topology=topology(strategy="auto"), masters=fenced)) is Strategy.SNAPSHOT


def test_a_stranger_is_refused_beside_members_that_have_joined() -> None:
    stranger = replace(external_member(1), id=99, name="x", peer_urls=("https://10.9.9.9:2380",))
    found = [one.found for one in judge(cluster(**LIVE, stacked=joined(external_member(2), stranger)))]
    assert found == ["the stacked member x at https://10.9.9.9:2380 on no master"]
    learner = replace((member(1).members or ())[2], is_learner=True)
    listed = (*(member(1).members or ())[:2], learner, external_member(1))
    stacked = {name: replace(one, members=listed) for name, one in cluster().stacked.items()}
    assert [one.found for one in judge(cluster(**LIVE, stacked=stacked))] == ["the learner m3"]


def test_data_and_a_port_that_are_nobodys_of_ours_are_refused_under_way_too() -> None:
    hosts = {
        "etcd-1": _ours(),
        "etcd-2": etcd_host(has_data=True),
        "etcd-3": etcd_host(listening=frozenset({2380})),
    }
    found = [
        one.found for one in judge(cluster(**LIVE, stacked=joined(external_member(1)), etcd_hosts=hosts))
    ]
    assert found == ["a data directory that is not empty: /var/lib/etcd-external/data", "port 2380 in use"]


def _switching(**changes: object) -> Cluster:
    """Two of three API servers are on the external members."""
    everyone = joined(*map(external_member, (1, 2, 3)))
    listed = everyone["master-1"].members
    external = {
        f"etcd-{number}": member(30 + number, members=listed, version="3.5.30") for number in (1, 2, 3)
    }
    fields: dict[str, object] = {
        "masters": {
            "master-1": master(live=ON_EXTERNAL),
            "master-2": master(live=ON_EXTERNAL),
            "master-3": master(),
        },
        "etcd_hosts": {f"etcd-{number}": _ours() for number in (1, 2, 3)},
        "stacked": everyone,
        "external": external,
    }
    return cluster(**{**LIVE, **fields, **changes})


def test_api_servers_on_both_kinds_of_members_are_one_side_where_all_are_one_cluster() -> None:
    assert judge(_switching()) == []
    assert _switching().under_way is Strategy.LIVE


def test_api_servers_on_two_clusters_are_refused_in_live_too() -> None:
    apart = {name: replace(one, cluster_id=2) for name, one in _switching().external.items()}
    assert any(
        "while master-1, master-2 is on the external one" in p.found
        for p in judge(_switching(external=apart))
    )
    silent = {name: one for name, one in _switching().stacked.items() if name != "master-3"}
    assert any("while master-1" in p.found for p in judge(_switching(stacked=silent)))
    snapshot = _switching(
        external={name: member(1, members=()) for name in _switching().external}, stacked={}
    )
    assert any("while master-1" in p.found for p in judge(replace(snapshot, strategy=Strategy.SNAPSHOT)))


def test_a_shrink_is_under_way_until_it_is_confirmed() -> None:
    masters = {f"master-{number}": master(live=ON_EXTERNAL) for number in (1, 2, 3)}
    left = _switching(masters=masters, stacked={})
    assert left.under_way is Strategy.LIVE
    rest = {name: text for name, text in ON_EXTERNAL.items() if name != "etcd"}
    gone = {f"master-{number}": master(live=rest) for number in (1, 2, 3)}
    alone = {
        f"etcd-{number}": member(30 + number, members=tuple(map(external_member, (1, 2, 3))))
        for number in (1, 2, 3)
    }
    assert _switching(masters=gone, stacked={}, external=alone).under_way is Strategy.LIVE
    confirmed = {name: replace(one, confirmed=CONFIRMED) for name, one in gone.items()}
    done = _switching(masters=confirmed, stacked={}, external=alone)
    assert done.under_way is None
    assert strategy_by(replace(done, topology=topology(strategy="auto"))) is Strategy.LIVE
    stranger = replace(external_member(1), id=99, name="etcd-4", peer_urls=("https://10.9.9.9:2380",))
    grown = {name: replace(one, members=(*(one.members or ()), stranger)) for name, one in alone.items()}
    for setting in Strategy:
        assert judge(replace(done, strategy=setting)) == []
        assert judge(replace(done, strategy=setting, external=grown)) == []


def test_a_cutover_under_way_is_a_snapshots() -> None:
    restored = etcd_host(has_data=True, restored=Restored("r", "ab", 1, "unstack-test-r", "cd"))
    half = _switching(
        masters={
            "master-1": master(live=ON_EXTERNAL),
            "master-2": fenced_master(),
            "master-3": fenced_master(),
        },
        etcd_hosts={f"etcd-{number}": restored for number in (1, 2, 3)},
        external={f"etcd-{number}": member(number, members=()) for number in (1, 2, 3)},
        stacked={},
    )
    assert half.under_way is Strategy.SNAPSHOT
    assert [one.host for one in judge(half)] == ["group_data"]
