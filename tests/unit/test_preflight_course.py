"""What preflight asks of a cluster that is under way, or has been migrated."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.cluster import (
    APISERVER,
    EXTERNAL,
    OURS,
    cluster,
    edited,
    etcd_host,
    fenced_master,
    master,
    member,
)
from unstack.observations import Process
from unstack.placement import Phase
from unstack.preflight import judge


def test_accepts_a_fenced_cluster_with_members_of_an_unfinished_run() -> None:
    live = {"etcd": master().live["etcd"]}
    fenced = {name: text for name, text in master().live.items() if name != "etcd"}
    unfinished = replace(
        cluster(),
        masters={f"master-{number}": master(live=live, fenced=fenced, processes=()) for number in (1, 2, 3)},
        etcd_hosts={
            f"etcd-{number}": etcd_host(
                has_data=True,
                restored=OURS,
                container="running",
                container_is_ours=True,
                listening=frozenset({2379, 2380}),
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
    running = etcd_host(
        has_data=True,
        restored=OURS,
        container="running",
        container_is_ours=True,
        listening=frozenset({2379, 2380, 2381}),
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


def test_never_tells_to_move_the_data_of_a_migrated_cluster_away() -> None:
    live = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}
    masters = {f"master-{number}": master(live=live, processes=()) for number in (1, 2, 3)}
    # A member that was replaced by hand has no note of ours beside its data.
    hosts = {
        f"etcd-{number}": etcd_host(has_data=True, container="running", listening=frozenset({2379}))
        for number in (1, 2, 3)
    }
    for phase, changed in (
        (Phase.EXTERNAL, masters),
        (Phase.CUTTING_OVER, {**masters, "master-3": fenced_master()}),
    ):
        moved = cluster(masters=changed, etcd_hosts=hosts, stacked={})
        assert moved.phase is phase
        assert judge(moved) == []


def test_checks_the_manifest_that_is_still_to_be_changed_during_a_cutover() -> None:
    live = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}
    masters = {
        "master-1": master(live=live, processes=()),
        "master-2": fenced_master(same_filesystem=False),
        "master-3": fenced_master(
            edited("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")["kube-apiserver"]
        ),
    }
    problems = judge(cluster(masters=masters, stacked={}))
    assert [one.host for one in problems] == ["master-2", "master-3"]
