"""Which strategy is taken, and why: what live needs, and what does not fit it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cluster import (
    APISERVER,
    CA,
    CONTENT,
    ETCD,
    EXTERNAL,
    cluster,
    etcd_host,
    external_member,
    joined,
    joining,
    master,
    member,
    topology,
)
from unstack.joining import Connection, JoiningReadings
from unstack.observations import EtcdHost, Restored
from unstack.preflight import Cluster, asks_for_joining, judge, reasons, strategy_by
from unstack.preflight.live import conditions
from unstack.problems import Problem
from unstack.strategy import Condition, Strategy, choose

LIVE = {"strategy": Strategy.LIVE, "topology": topology(strategy="live")}
AUTO = {"topology": topology(strategy="auto"), "joining": joining()}
ON_EXTERNAL = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}


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


def _live(**changes: object) -> Cluster:
    return cluster(**{**LIVE, "joining": joining(), **changes})


def test_live_is_taken_where_every_condition_is_met() -> None:
    assert strategy_by(cluster(**AUTO)) is Strategy.LIVE
    lines = list(reasons(cluster(**AUTO)))
    assert [line.partition(":")[0] for line in lines] == [
        *("readings", "version", "quorum", "data", "trust", "timing", "peer ports", "round trip", "disks")
    ]
    text = "\n".join(lines)
    assert "version: etcd 3.5.30 joins etcd 3.5.1" in text
    assert "3 voters: quorum 2, 1 may fail now" in text
    assert "HashKV equal on 3 stacked members at revision 100" in text
    assert "/etc/kubernetes/pki/etcd/ca.key, on master-1, master-2, master-3" in text
    assert "a filter that refuses with a reset looks the same" in text
    assert "at most 0.6 ms to connect; heartbeat 100 ms" in text
    assert "etcd-1 1.0 ms, slowest 300.0" in text, "one late write is a hiccup"
    assert judge(_live()) == []


def _unlike(where: str, *found: Connection) -> JoiningReadings:
    return joining(connections={**joining().connections, where: found})


@pytest.mark.parametrize(
    ("broken", "host", "found"),
    [
        (
            _live(topology=topology(strategy="live", etcd_image="etcd:v3.5.25")),
            "group_data",
            "etcd_image etcd:v3.5.25",
        ),
        (
            _live(
                topology=topology(strategy="live", etcd_image="etcd:v3.6.4"),
                stacked={f"master-{number}": member(number, version="3.6.1") for number in (1, 2, 3)},
            ),
            "group_data",
            "etcd_image etcd:v3.6.4",
        ),
        (
            _live(joining=joining(authorities={"master-1": replace(CA, has_key=False)})),
            "master-1",
            "no /etc/kubernetes/pki/etcd/ca.key",
        ),
        (
            _live(
                masters={
                    **cluster().masters,
                    "master-2": master(
                        live={
                            **master().live,
                            "etcd": ETCD.replace("--name=cp-b", "--name=b\n    - --peer-cert-allowed-cn=x"),
                        }
                    ),
                }
            ),
            "master-2",
            "--peer-cert-allowed-cn=x",
        ),
        (
            _live(topology=topology(strategy="live", etcd_heartbeat_interval_milliseconds=150)),
            "master-1",
            "the stacked etcd with --heartbeat-interval=100",
        ),
        (
            _live(joining=_unlike("master-3", Connection("172.30.0.32", 2380, "no answer within 2 s", None))),
            "master-3",
            "no answer within 2 s for a connection to 172.30.0.32:2380",
        ),
        (
            _live(joining=_unlike("etcd-2", Connection("172.30.0.11", 2380, "refused", 0.001))),
            "etcd-2",
            "refused for a connection to 172.30.0.11:2380",
        ),
        (
            _live(joining=_unlike("etcd-2", Connection("172.30.0.11", 2380, "connected", 0.12))),
            "etcd-2",
            "120 ms for a connection",
        ),
        (
            _live(joining=joining(sync_seconds={"etcd-3": (0.001,) * 30 + (0.2, 0.3)})),
            "etcd-3",
            "32 small writes to the disk of /var/lib/etcd-external, the slowest two 300 and 200 ms",
        ),
        (
            _live(joining=joining(problems=(Problem("etcd-1", "no measured disk", "", ""),))),
            "etcd-1",
            "no measured disk",
        ),
        (
            _live(stacked={**cluster().stacked, "master-2": member(2, content=replace(CONTENT, hash=1))}),
            "master-2",
            "hash 1",
        ),
        (
            _live(stacked={**cluster().stacked, "master-2": member(2, is_healthy=False)}),
            "master-2",
            "unhealthy",
        ),
    ],
)
def test_an_unmet_condition_refuses_live_and_makes_auto_take_the_snapshot(
    broken: Cluster, host: str, found: str
) -> None:
    matching = [one for one in judge(broken) if one.host == host and found in one.found]
    assert len(matching) == 1, [str(one) for one in judge(broken)]
    settings = broken.topology.settings.model_copy(update={"strategy": "auto"})
    auto = replace(broken, topology=replace(broken.topology, settings=settings))
    assert strategy_by(auto) is Strategy.SNAPSHOT
    assert any(", which live needs: " in line and found in line for line in reasons(auto))


def test_what_only_live_needs_does_not_refuse_a_snapshot() -> None:
    slow = joining(sync_seconds={"etcd-3": (0.5,) * 32}, authorities={"master-1": replace(CA, has_key=False)})
    auto = cluster(topology=topology(strategy="auto"), joining=slow)
    assert judge(replace(auto, strategy=strategy_by(auto))) == []


def test_the_old_image_of_a_resumed_live_migration_is_refused() -> None:
    under_way = cluster(
        strategy=Strategy.LIVE,
        topology=topology(strategy="live", etcd_image="etcd:v3.5.25"),
        stacked=joined(external_member(1)),
        etcd_hosts={**cluster().etcd_hosts, "etcd-1": _ours()},
    )
    assert ["at least etcd 3.5.26" in one.expected for one in judge(under_way)] == [True]


def test_is_asked_only_where_live_may_begin() -> None:
    assert asks_for_joining(cluster(**LIVE))
    assert asks_for_joining(cluster(topology=topology(strategy="auto")))
    assert not asks_for_joining(cluster())
    assert not asks_for_joining(cluster(**LIVE, unread=(Problem("etcd-1", "", "", ""),)))
    assert not asks_for_joining(cluster(**LIVE, stacked=joined(external_member(1))))
    assert not asks_for_joining(cluster(**LIVE, masters={"master-1": master(live=ON_EXTERNAL)}))
    assert conditions(cluster(**LIVE)) == ()
    unread = cluster(topology=topology(strategy="auto"), unread=(Problem("etcd-1", "", "", ""),))
    assert strategy_by(unread) is Strategy.SNAPSHOT
    assert list(reasons(unread)) == ["not every host could be read: what live needs was not asked"]


def test_no_condition_at_all_is_no_reason_for_live() -> None:
    assert choose(()) is Strategy.SNAPSHOT
    assert choose((Condition("x", "fine"),)) is Strategy.LIVE
