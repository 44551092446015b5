"""Every rule refuses what it is there for, and a healthy cluster is refused nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.cluster import (
    CONTENT,
    ETCD,
    MANIFESTS,
    OURS,
    cluster,
    edited,
    etcd_host,
    master,
    member,
    topology,
)
from unstack.observations import MasterHost, Process, initial_cluster_token
from unstack.preflight import Cluster, contents_settled, judge, warnings
from unstack.problems import Problem

KUBEADM_CONFIG = (MANIFESTS / "ClusterConfiguration.yaml").read_text()


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
    assert judge(cluster(kubeadm_config=KUBEADM_CONFIG)) == []


@pytest.mark.parametrize(
    ("broken", "host", "found"),
    [
        (_one_master(clock_offset_seconds=2.5), "master-2", "a clock 2.5 s ahead"),
        (_one_host(clock_offset_seconds=-3), "etcd-2", "a clock 3.0 s behind"),
        (_one_master(has_curl=False), "master-2", "no curl"),
        (cluster(kubeadm_config=""), "cluster", "no ClusterConfiguration in the ConfigMap kubeadm-config"),
        (
            cluster(kubeadm_config=KUBEADM_CONFIG.replace("v1beta2", "v1beta9")),
            "cluster",
            "apiVersion kubeadm.k8s.io/v1beta9",
        ),
        (
            cluster(
                kubeadm_config=KUBEADM_CONFIG.replace(
                    "local:", "external: {endpoints: [https://a:2379]}\n  x:"
                )
            ),
            "cluster",
            "another external etcd already: ['https://a:2379']",
        ),
        (
            _one_master(live=edited("pki/apiserver-etcd-client.crt", "pki/sub/apiserver-etcd-client.crt")),
            "master-2",
            "certificate would lie in /etc/kubernetes/pki/sub/etcd-external",
        ),
        (_one_master(same_filesystem=False), "master-2", "another filesystem"),
        (_one_master(live={"etcd": master().live["etcd"]}), "master-2", "no kube-apiserver.yaml"),
        (
            _one_master(live={**master().live, "kube-apiserver": "kind: Pod"}),
            "master-2",
            "no kube-apiserver static pod",
        ),
        (_one_master(live={**master().live, "etcd": ""}), "master-2", "etcd.yaml is missing"),
        (
            _one_master(live=edited("https://127.0.0.1:2379", "https://10.9.9.9:2379")),
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
                live=edited(
                    "    - --etcd-servers=",
                    "    - --etcd-servers-overrides=/events#https://10.9.9.9:2379\n    - --etcd-servers=",
                )
            ),
            "master-2",
            "--etcd-servers-overrides",
        ),
        (
            _one_master(live=edited("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")),
            "master-2",
            "mounts no host directory that holds /opt/pki",
        ),
        (_one_host(engine=None), "etcd-2", "no container engine"),
        (_one_host(compose=()), "etcd-2", "no docker compose or docker-compose"),
        (_one_host(listening=frozenset({2380})), "etcd-2", "port 2380 in use"),
        (_one_host(has_data=True), "etcd-2", "a data directory that is not empty"),
        (_one_host(foreign=("/var/lib/etcd-external/member",)), "etcd-2", "in /var/lib/etcd-external"),
        (_one_host(free_bytes=100 * 2**20), "etcd-2", "100 MiB free"),
        (_one_member(is_healthy=False), "master-2", "unhealthy"),
        (_one_member(alarms=("NOSPACE of member 2",)), "master-2", "alarm NOSPACE"),
        (_one_member(leader=2), "cluster", "leaders"),
        (_one_member(content=replace(CONTENT, hash=1)), "master-2", "hash 1"),
        (_one_member(content=replace(CONTENT, keys=1)), "master-2", "keys 1"),
        (_one_member(version="3.4.23"), "group_data", "etcd_image etcd:v3.5.30"),
        (_one_member(version="3.5.31"), "group_data", "etcd_image etcd:v3.5.30"),
        (_one_member(database_bytes=9 * 2**30), "group_data", "etcd_quota_backend_bytes"),
        (cluster(unread=(Problem("etcd-1", "no connection", "", ""),)), "etcd-1", "no connection"),
        (_one_member(content=replace(CONTENT, roles=frozenset({"root"}))), "master-2", "roles ['root']"),
        (_one_member(revision=1, content=None), "cluster", "no HashKV of all members at revision 100"),
        (_one_host(container="exited"), "etcd-2", "a container named etcd (exited) that is not ours"),
        (
            _one_host(container="running", restored=OURS, listening=frozenset({2379})),
            "etcd-2",
            "port 2379 in use",
        ),
        (
            _one_host(has_data=True, restored=replace(OURS, token=initial_cluster_token("test-2", OURS.run))),
            "etcd-2",
            "of the cluster test-2",
        ),
        (
            _one_master(live=edited("https://127.0.0.1:2379", "https://127.0.0.1:3379")),
            "master-2",
            "on the etcd https://127.0.0.1:3379",
        ),
        (
            _one_master(live=edited("https://127.0.0.1:2379", "https://127.0.0.1:etcd")),
            "master-2",
            "on the etcd https://127.0.0.1:etcd",
        ),
        (
            _one_master(live=edited("https://127.0.0.1:2379", "https://172.30.0.31:2379")),
            "master-2",
            "on the etcd https://172.30.0.31:2379",
        ),
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


def test_tells_an_alarm_and_a_learner_once_although_every_member_lists_them() -> None:
    listed = (*member(1).members[:2], replace(member(1).members[2], is_learner=True))
    stacked = {
        f"master-{number}": member(number, members=listed, alarms=("NOSPACE of member 2",))
        for number in (1, 2, 3)
    }
    problems = judge(cluster(stacked=stacked))
    assert [(one.host, one.found) for one in problems] == [
        ("master-2", "alarm NOSPACE of member 2"),
        ("master-3", "the learner m3"),
    ]


def test_tells_an_unfit_image_once_although_every_member_is_of_that_version() -> None:
    stacked = {f"master-{number}": member(number, version=f"3.5.3{number}") for number in (1, 2, 3)}
    (problem,) = judge(cluster(stacked=stacked))
    assert problem.expected == "at least 3.5.33, the version of the member on master-3"


def test_blames_the_one_member_that_differs_even_where_it_is_the_first() -> None:
    stacked = {**cluster().stacked, "master-1": member(1, content=replace(CONTENT, hash=1, keys=2))}
    (problem,) = judge(cluster(stacked=stacked))
    assert (problem.host, problem.found) == ("master-1", "hash 1, keys 2 at revision 100")
    assert problem.expected == "hash 4711, keys 333, as the others on master-2, master-3"


def test_lets_leases_and_the_present_revision_move_on_between_two_answers() -> None:
    moved = replace(CONTENT, revision=120, leases=frozenset({3}))
    assert judge(_one_member(revision=120, content=moved)) == []


def test_asks_again_where_a_compaction_came_between_two_answers() -> None:
    assert contents_settled(cluster())
    assert not contents_settled(_one_member(content=replace(CONTENT, compact_revision=90, hash=5)))
    assert not contents_settled(_one_member(content=None))


def _named(name: str) -> dict[str, str]:
    return {**master().live, "etcd": ETCD.replace("--name=cp-b", f"--name={name}")}


def test_finds_the_hidden_master_even_where_another_does_not_answer() -> None:
    listed = (*member(1).members, replace(member(1).members[2], id=4, name="m4"))
    stacked = {f"master-{number}": member(number, members=listed) for number in (1, 2)}
    problems = judge(replace(_one_master(), stacked=stacked, masters=_masters_named()))
    assert [one.found.partition(" at ")[0] for one in problems] == ["the stacked member m4"]


def test_blames_no_member_for_a_master_whose_member_name_could_not_be_read() -> None:
    masters = {name: one for name, one in _masters_named().items() if name != "master-3"}
    stacked = {f"master-{number}": member(number) for number in (1, 2)}
    assert judge(cluster(masters=masters, stacked=stacked)) == []


def _masters_named() -> dict[str, MasterHost]:
    return {f"master-{number}": master(live=_named(f"m{number}")) for number in (1, 2, 3)}


def test_accepts_api_servers_that_name_the_stacked_members_in_other_ways() -> None:
    for server in ("https://localhost:2379", "https://cp-b:2379", "https://172.30.0.13:2379"):
        assert judge(_one_master(live=edited("https://127.0.0.1:2379", server))) == []


def test_asks_for_room_for_the_snapshot_on_the_first_master_alone() -> None:
    assert judge(_one_master(free_bytes=0)) == []
    masters = {**cluster().masters, "master-1": master(free_bytes=10 * 2**20)}
    (problem,) = judge(cluster(masters=masters))
    assert (problem.host, problem.found) == ("master-1", "10 MiB free for /var/lib/unstack")


def test_refuses_certificates_that_would_fail_when_the_api_server_starts_anew() -> None:
    healthy = cluster()
    ends = {
        "/pki/lasting.crt": healthy.read_at + timedelta(days=8),
        "/pki/ending.crt": healthy.read_at + timedelta(days=6),
        "/pki/ended.crt": healthy.read_at - timedelta(days=1),
    }
    found = [one.found for one in judge(replace(healthy, certificates={"master-2": ends}))]
    assert [text.rpartition(" on ")[0] for text in found] == [
        "/pki/ended.crt, which expired",
        "/pki/ending.crt, which expires",
    ]


def test_warns_of_a_source_version_that_can_lose_writes() -> None:
    (line,) = warnings(cluster())
    assert line.startswith("master-1, master-2, master-3: etcd 3.5.1 can lose writes")
    stacked = {f"master-{number}": member(number, version="3.5.10") for number in (1, 2, 3)}
    assert list(warnings(cluster(stacked=stacked))) == []


def test_tells_all_problems_of_all_hosts_in_one_pass() -> None:
    broken = replace(
        cluster(),
        masters={**cluster().masters, "master-3": master(has_curl=False, clock_offset_seconds=9)},
        etcd_hosts={**cluster().etcd_hosts, "etcd-1": etcd_host(engine=None, compose=())},
    )
    assert [problem.host for problem in judge(broken)] == ["etcd-1", "etcd-1", "master-3", "master-3"]
