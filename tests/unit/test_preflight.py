"""Every rule refuses what it is there for, and a healthy cluster is refused nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cluster import (
    APISERVER,
    CONTENT,
    cluster,
    etcd_host,
    master,
    member,
    topology,
)
from unstack.observations import Process, Restored
from unstack.placement import Phase
from unstack.preflight import Cluster, judge
from unstack.problems import Problem

EXTERNAL = "https://172.30.0.31:2379,https://172.30.0.32:2379,https://172.30.0.33:2379"


def _one_master(**changes: object) -> Cluster:
    healthy = cluster()
    return replace(healthy, masters={**healthy.masters, "master-2": master(**changes)})


def _one_host(**changes: object) -> Cluster:
    healthy = cluster()
    return replace(healthy, etcd_hosts={**healthy.etcd_hosts, "etcd-2": etcd_host(**changes)})


def _one_member(**changes: object) -> Cluster:
    healthy = cluster()
    return replace(healthy, stacked={**healthy.stacked, "master-2": member(2, **changes)})


def test_finds_nothing_wrong_with_a_healthy_cluster() -> None:
    assert judge(cluster()) == []


def _manifest(old: str, new: str) -> dict[str, str]:
    assert old in APISERVER
    return {**master().live, "kube-apiserver": APISERVER.replace(old, new)}


@pytest.mark.parametrize(
    ("broken", "host", "found"),
    [
        (_one_master(clock_offset_seconds=2.5), "master-2", "a clock 2.5 s ahead"),
        (_one_host(clock_offset_seconds=-3), "etcd-2", "a clock 3.0 s behind"),
        (_one_master(has_curl=False), "master-2", "no curl"),
        (_one_master(same_filesystem=False), "master-2", "another filesystem"),
        (_one_master(live={"etcd": master().live["etcd"]}), "master-2", "no kube-apiserver.yaml"),
        (
            _one_master(live={**master().live, "kube-apiserver": "kind: Pod"}),
            "master-2",
            "no kube-apiserver static pod",
        ),
        (_one_master(live={**master().live, "etcd": ""}), "master-2", "etcd.yaml is missing"),
        (
            _one_master(live=_manifest("https://127.0.0.1:2379", "https://10.9.9.9:2379")),
            "master-2",
            "on the etcd https://10.9.9.9:2379",
        ),
        (
            _one_master(
                processes=(Process(1, 1, ("kube-apiserver", "--etcd-servers=https://10.9.9.9:2379")),)
            ),
            "master-2",
            "a kube-apiserver (running process) on the etcd https://10.9.9.9:2379",
        ),
        (
            _one_master(
                live=_manifest(
                    "    - --etcd-servers=",
                    "    - --etcd-servers-overrides=/events#https://10.9.9.9:2379\n    - --etcd-servers=",
                )
            ),
            "master-2",
            "--etcd-servers-overrides",
        ),
        (
            _one_master(live=_manifest("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")),
            "master-2",
            "mounts no host directory that holds /opt/pki",
        ),
        (_one_host(engine=None), "etcd-2", "no container engine"),
        (_one_host(compose=()), "etcd-2", "no docker compose or docker-compose"),
        (_one_host(listening=frozenset({2380})), "etcd-2", "port 2380 in use"),
        (_one_host(has_data=True), "etcd-2", "a data directory that is not empty"),
        (_one_host(foreign=("/var/lib/etcd-external/member",)), "etcd-2", "in /var/lib/etcd-external"),
        (_one_host(free_bytes=100 * 2**20), "etcd-2", "100 MiB free"),
        (_one_master(free_bytes=10 * 2**20), "master-2", "10 MiB free"),
        (_one_member(is_healthy=False), "master-2", "unhealthy"),
        (_one_member(alarms=("NOSPACE of member 2",)), "master-2", "alarm NOSPACE"),
        (_one_member(leader=2), "cluster", "leaders"),
        (_one_member(content=replace(CONTENT, hash=1)), "master-2", "hash 1"),
        (_one_member(content=replace(CONTENT, keys=1)), "master-2", "keys 1"),
        (_one_member(version="3.4.23"), "group_data", "etcd_image etcd:v3.5.30"),
        (_one_member(version="3.5.31"), "group_data", "etcd_image etcd:v3.5.30"),
        (_one_member(database_bytes=9 * 2**30), "group_data", "etcd_quota_backend_bytes"),
        (cluster(unread=(Problem("etcd-1", "no connection", "", ""),)), "etcd-1", "no connection"),
        (
            cluster(topology=topology(pki={"hosts": ["kubernetes-*"]})),
            "group_data",
            "kubernetes-*",
        ),
    ],
)
def test_refuses(broken: Cluster, host: str, found: str) -> None:
    matching = [p for p in judge(broken) if p.host == host and found in p.found]
    assert len(matching) == 1, [str(problem) for problem in judge(broken)]


def test_refuses_a_learner_and_a_member_on_no_master() -> None:
    healthy = cluster()
    listed = (
        *member(1).members[:2],
        replace(member(1).members[2], is_learner=True),
        replace(member(1).members[2], id=4, name="m4"),
    )
    stacked = {name: replace(one, members=listed) for name, one in healthy.stacked.items()}
    found = [problem.found for problem in judge(replace(healthy, stacked=stacked))]
    assert any("the learner m3" in text for text in found)
    assert any("the stacked member m4" in text and "on no master" in text for text in found)


def test_tells_all_problems_of_all_hosts_in_one_pass() -> None:
    broken = replace(
        cluster(),
        masters={**cluster().masters, "master-3": master(has_curl=False, clock_offset_seconds=9)},
        etcd_hosts={**cluster().etcd_hosts, "etcd-1": etcd_host(engine=None, compose=())},
    )
    assert [problem.host for problem in judge(broken)] == ["etcd-1", "etcd-1", "master-3", "master-3"]


def test_accepts_a_fenced_cluster_with_members_of_an_unfinished_run() -> None:
    live = {"etcd": master().live["etcd"]}
    fenced = {name: text for name, text in master().live.items() if name != "etcd"}
    ours = Restored("20261124T000000Z", "ab", 100, "token", "cd")
    unfinished = replace(
        cluster(),
        masters={f"master-{number}": master(live=live, fenced=fenced, processes=()) for number in (1, 2, 3)},
        etcd_hosts={
            f"etcd-{number}": etcd_host(
                has_data=True, restored=ours, container="running", listening=frozenset({2379, 2380})
            )
            for number in (1, 2, 3)
        },
    )
    assert unfinished.phase is Phase.STACKED
    assert judge(unfinished) == []


def test_asks_a_migrated_cluster_only_for_its_external_members() -> None:
    live = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}
    del live["etcd"]
    processes = (Process(1, 1, ("kube-apiserver", f"--etcd-servers={EXTERNAL}")),)
    ours = Restored("20261124T000000Z", "ab", 100, "token", "cd")
    running = etcd_host(
        has_data=True, restored=ours, container="running", listening=frozenset({2379, 2380, 2381})
    )
    migrated = replace(
        cluster(stacked={}),
        masters={f"master-{number}": master(live=live, processes=processes) for number in (1, 2, 3)},
        etcd_hosts={f"etcd-{number}": running for number in (1, 2, 3)},
        external={f"etcd-{number}": member(number) for number in (1, 2, 3)},
    )
    assert migrated.phase is Phase.EXTERNAL
    assert judge(migrated) == []
    unwell = replace(migrated, external={"etcd-1": member(1, is_healthy=False)})
    assert [problem.found for problem in judge(unwell)] == ["an unhealthy member"]
