"""The pod probe: what is timed, what is called slow, and which pods are named."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.pods_api import Cluster, serving
from unstack.pod_probe import (
    AFTER,
    BEFORE,
    LABEL,
    NAMESPACE,
    PodTime,
    Round,
    image_for,
    lost_problems,
    pod,
    pod_lines,
    ratios,
    read_nodes,
    read_round,
    slower,
)
from unstack.scripts import script

PAUSE = "registry.k8s.io/pause:3.9"
OURS = {"app.kubernetes.io/managed-by": "unstack"}
# Plain HTTP: curl does not read them then.
PAIR = ("ca", "certificate", "key")


def node(
    name: str,
    *images: str,
    ready: str = "True",
    system: str = "linux",
    digest: str = "x@sha256:0",
    kubelet: str = "v1.30.2",
) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
            "images": [{"names": [digest, image]} for image in images],
            "nodeInfo": {"operatingSystem": system, "kubeletVersion": kubelet},
        },
    }


def timed(running: float | None, gone: float | None, **fields: str) -> PodTime:
    """A pod that has stopped within a second wherever it has run."""
    return PodTime(
        fields.get("server", "master-1"),
        fields.get("node", "cp-b"),
        running,
        None if running is None else 1.0,
        gone,
        fields.get("told", ""),
    )


def round_of(*times: tuple[float | None, float | None], when: str = BEFORE) -> Round:
    return Round(when, tuple(timed(*one) for one in times))


def test_each_node_is_given_the_pause_image_that_it_holds() -> None:
    nodes = read_nodes(
        {
            "items": [
                node("a", "kube-apiserver:v1.30.0", PAUSE),
                node("b", "k8s.gcr.io/pause:3.2"),
                node("c", "postgres:16"),  # the pause image is not among the largest fifty
                node("d", "rancher/mirrored-pause:3.6", ready="Unknown"),
                node("w", "mcr.microsoft.com/oss/kubernetes/pause:3.9", system="windows"),
            ]
        }
    )
    assert {one.name: one.is_ready for one in nodes} == {"a": True, "b": True, "c": True, "d": False}
    assert [image_for(one, nodes, None) for one in nodes] == [
        PAUSE,
        "k8s.gcr.io/pause:3.2",
        PAUSE,
        "rancher/mirrored-pause:3.6",
    ]
    assert {image_for(one, nodes, "example.org/sleep:1") for one in nodes} == {"example.org/sleep:1"}


def test_no_image_is_made_up_where_no_node_names_one() -> None:
    nodes = read_nodes({"items": [node("a", "postgres:16", digest="pause@sha256:0")]})
    assert image_for(nodes[0], nodes, None) is None


def test_a_pod_is_bound_to_its_node_whatever_its_taints() -> None:
    made = pod("a", "cp-b", PAUSE, NAMESPACE, "probe-1-0")
    assert made["spec"]["nodeName"] == "cp-b"
    assert made["spec"]["tolerations"] == [{"operator": "Exists"}]
    assert made["metadata"]["labels"] == {LABEL: "probe-1-0"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((3.0, 10.0), (3.55, 11.9), []),  # not more than 1.2 times
        ((3.3, 1.0), (4.0, 2.0), []),  # not more than 1 s
        (
            (3.0, 10.0),
            (4.1, 12.1),
            ["create to Running takes 4.1 s", "delete to gone takes 12.1 s, 1.21 times"],
        ),
        ((3.0, 10.0), (1.0, 40.0), ["delete to gone takes 40.0 s, 4.00 times what it took before (10.0 s)"]),
        ((3.0, None), (3.0, 40.0), []),
    ],
)
def test_slower_is_what_is_slower_by_a_fifth_and_by_a_second(
    before: tuple[float, float | None], after: tuple[float, float | None], words: list[str]
) -> None:
    found = list(slower(round_of(before), round_of(after, when=AFTER)))
    assert len(found) == len(words)
    assert all(one.startswith(word) for one, word in zip(found, words, strict=True)), found


def test_medians_are_compared_and_not_the_slowest_pod() -> None:
    before, after = (round_of((3.0, 5.0), (3.2, 6.0), (3.4, last)) for last in (7.0, 44.0))
    assert list(slower(before, after)) == []
    assert ratios(before, after) == (
        "create to Running 1.00, delete to stopped 1.00, delete to gone 1.00 times as long as before"
    )
    assert str(after) == (
        "pods before: 3 on 1 nodes through 1 API servers, create to Running 3.2 s (3.0 to 3.4),"
        " delete to stopped 1.0 s (1.0 to 1.0), delete to gone 6.0 s (5.0 to 44.0)"
    )


@pytest.mark.parametrize(
    ("kubelet", "is_late"),
    [
        ("v1.20.0", True),
        ("v1.20.2-debian", True),
        ("v1.20.3", False),
        ("v1.20.15", False),
        ("v1.30.2", False),
    ],
)
def test_a_kubelet_that_removes_late_by_itself_is_told_by_its_release(kubelet: str, is_late: bool) -> None:
    (found,) = read_nodes({"items": [node("a", PAUSE, kubelet=kubelet)]})
    assert found.removes_late is is_late


def test_where_kubelets_remove_late_by_themselves_a_slow_delete_is_one_of_the_container_too() -> None:
    after = replace(round_of((3.0, 40.0), when=AFTER), removes_late=True)
    assert list(slower(round_of((3.0, 10.0)), after)) == []
    stuck = replace(after, pods=tuple(replace(one, stopped_seconds=30.0) for one in after.pods))
    assert list(slower(round_of((3.0, 10.0)), stuck)) == [
        "delete to gone takes 40.0 s, 4.00 times what it took before (10.0 s)"
    ]
    # What goes as soon as before is not slow.
    assert list(slower(round_of((3.0, 40.0)), stuck)) == []


def test_a_lost_pod_is_named_with_node_api_server_and_seconds() -> None:
    found = Round(
        AFTER,
        (
            timed(None, None, server="master-1", told="ImagePullBackOff"),
            timed(None, None, server="master-2"),
            timed(2.0, None, server="master-3", told="Terminating"),
            timed(2.0, 3.0, node="cp-c"),
        ),
    )
    assert found.lost() == {("master-1", "cp-b"), ("master-2", "cp-b"), ("master-3", "cp-b")}
    never, stays = map(str, lost_problems(found, 90))
    assert never.startswith(
        "node cp-b: found a pod that does not run after 90 s, through the API server of master-1, master-2"
        " (last seen: ImagePullBackOff); expected one that runs within seconds; to do: "
    )
    assert "a pod that is not gone after 90 s, through the API server of master-3 (last seen: " in stays
    assert "2 never in time" in str(found)


def test_a_round_comes_back_from_the_journal_as_it_was() -> None:
    found = replace(round_of((3.0, None), (None, None)), removes_late=True)
    assert Round.from_json({"time": "now", "run": "r", "event": "pods", **found.as_json()}) == found


def probe(cluster: Cluster, limit_seconds: int) -> dict[str, PodTime]:
    """What pod-probe.sh measures on this cluster, by node."""
    images = dict.fromkeys(cluster.nodes, PAUSE)
    with serving(cluster) as url:
        command = script(
            "pod-probe", url, *PAIR, NAMESPACE, f"{LABEL}=probe-1-0", str(limit_seconds)
        ).get_raw_value()
        done = subprocess.run(
            ["sh", "-c", command],
            input=pod_lines("probe-1-0", images),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = read_round(done.stdout.splitlines(), "master-1", "probe-1-0", images)
    return {one.node: one for one in found}


def cluster(nodes: Mapping[str, tuple[float | None, float | None, float | None]], **fields: Any) -> Cluster:
    return Cluster(nodes=dict(nodes), namespaces={NAMESPACE: OURS}, **fields)


def test_pods_are_timed_from_create_to_running_and_from_delete_to_gone() -> None:
    times = {"a": (0.5, 0.4, 0.9), "b": (1.5, 0.1, 2.6)}
    made = cluster(times, refusals=3)
    found = probe(made, 20)
    # A look takes a moment, and the next one comes 0.2 s later.
    for name, (running, stopped, gone) in times.items():
        assert found[name].told == ""
        assert running <= (found[name].running_seconds or 0) < running + 1
        assert stopped <= (found[name].stopped_seconds or 0) < stopped + 1
        assert gone <= (found[name].gone_seconds or 0) < gone + 1
    # A pod that was refused counts from when it was let in.
    assert made.requests.count(f"POST /api/v1/namespaces/{NAMESPACE}/pods") == 2 + 3


def test_a_pod_that_never_comes_or_never_goes_holds_nothing_up_for_long() -> None:
    found = probe(
        cluster({"a": (0.1, 0.1, 0.1), "silent": (None, None, None), "sticky": (0.1, 0.1, None)}), 2
    )
    assert found["a"].gone_seconds is not None
    assert (found["silent"].running_seconds, found["silent"].told) == (None, "0/1 ContainerCreating")
    assert found["sticky"].running_seconds is not None
    assert (found["sticky"].gone_seconds, found["sticky"].told) == (None, "0/1 Terminating")


def test_a_pod_that_is_refused_to_the_end_tells_why() -> None:
    found = probe(cluster({"a": (0.1, 0.1, 0.1)}, refusals=1000), 1)
    assert found["a"].running_seconds is None
    assert "no account yet" in found["a"].told


def test_an_api_server_that_is_silent_loses_every_pod_and_fails_nothing() -> None:
    images = {"a": PAUSE}
    command = script("pod-probe", "http://127.0.0.1:1", *PAIR, NAMESPACE, f"{LABEL}=p", "1").get_raw_value()
    done = subprocess.run(
        ["sh", "-c", command], input=pod_lines("p", images), capture_output=True, text=True, check=True
    )
    (found,) = read_round(done.stdout.splitlines(), "master-1", "p", images)
    assert found.running_seconds is None
    assert "Failed to connect" in found.told or "refused" in found.told


def namespace(made: Cluster, what: str) -> subprocess.CompletedProcess[str]:
    with serving(made) as url:
        command = script("probe-namespace", url, *PAIR, NAMESPACE, what, "5").get_raw_value()
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


def test_what_a_killed_probe_has_left_is_removed_before_the_next() -> None:
    made = cluster({})
    done = namespace(made, "make")
    assert done.returncode == 0, done.stderr
    path = f"/api/v1/namespaces/{NAMESPACE}"
    assert [one for one in made.requests if not one.startswith("GET")] == [
        f"DELETE {path}/pods",
        f"DELETE {path}",
        "POST /api/v1/namespaces",
    ]
    assert made.namespaces[NAMESPACE]["app.kubernetes.io/managed-by"] == "unstack"
    done = namespace(made, "remove")
    assert done.returncode == 0, done.stderr
    assert made.namespaces == {}


def test_somebody_elses_namespace_of_that_name_is_not_touched() -> None:
    made = Cluster(namespaces={NAMESPACE: {"app.kubernetes.io/managed-by": "helm"}})
    for what in ("make", "remove"):
        done = namespace(made, what)
        assert done.returncode == 1
        assert f"found a namespace {NAMESPACE} that is not this tool's" in done.stderr
    assert all(one.startswith("GET") for one in made.requests)
