"""The pod probe: how long pods take to come and to go, on every node and through every API server.

A migration that blinds kubelets or API servers shows here and nowhere else: everything is ready, and
pods go half a minute late or never (docs/how-it-works.md).
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from unstack.observations import parse_report
from unstack.problems import Problem

NAMESPACE = "unstack-pod-probe"
LABEL = "unstack-pod-probe"
# When a round is made: before the fence, after the migration, or by itself.
BEFORE, AFTER, NOW = "before", "after", "now"
RUNNING, STOPPED, GONE = "create to Running", "delete to stopped", "delete to gone"
# Slower than this in both ways is told: medians of few pods differ by chance, short ones by much, and
# kubelet looks at its containers once a second.
SLOWER_RATIO = 1.2
SLOWER_SECONDS = 1.0
# kubelet's own sandbox image, as kubeadm, distributions and mirrors call it: it ends on SIGTERM at once.
# These remove a pod's object only with their own garbage collection, up to a minute late (kubernetes#97288).
_LATE = re.compile(r"v1\.20\.[012]\b")
_PAUSE = re.compile(r"(?:[\w.:/-]+/)?[\w.-]*pause[\w.-]*:[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Node:
    """A node that pods can be made on."""

    name: str
    is_ready: bool
    pause_image: str | None  # one that it holds, None where it names none
    removes_late: bool  # by its kubelet's release


@dataclass(frozen=True)
class PodTime:
    """A pod by its API server (the master's inventory name) and its node (Kubernetes' name), in seconds.

    None where it never ran, or was never gone, within the limit; `told` is then the last that was
    seen of it. It has stopped when the API server shows that its container has ended.
    """

    api_server: str
    node: str
    running_seconds: float | None  # from create
    stopped_seconds: float | None  # from delete
    gone_seconds: float | None  # from delete
    told: str = ""


@dataclass(frozen=True)
class Round:
    """One round of the probe: a pod on every node through every API server, all at once.

    `removes_late`: by the release of a kubelet the time to gone alone says nothing.
    """

    when: str
    pods: tuple[PodTime, ...]
    removes_late: bool = False

    def seconds(self) -> dict[str, list[float | None]]:
        """{what was timed: the seconds of each pod}."""
        return {
            RUNNING: [one.running_seconds for one in self.pods],
            STOPPED: [one.stopped_seconds for one in self.pods],
            GONE: [one.gone_seconds for one in self.pods],
        }

    def medians(self) -> dict[str, float]:
        """{what was timed: median of the pods that reached it}; what none reached is left out."""
        reached = {what: [one for one in all_ if one is not None] for what, all_ in self.seconds().items()}
        return {what: statistics.median(some) for what, some in reached.items() if some}

    def lost(self) -> set[tuple[str, str]]:
        """(API server, node) of the pods that never ran, or were never gone."""
        return {(one.api_server, one.node) for one in self.pods if one.gone_seconds is None}

    def as_json(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {
            "when": self.when,
            "removes_late": self.removes_late,
            "pods": [asdict(one) for one in self.pods],
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Round:
        """A line of the journal. Raises KeyError or TypeError where it is none of a round."""
        return cls(line["when"], tuple(PodTime(**one) for one in line["pods"]), line["removes_late"])

    def __str__(self) -> str:
        nodes, servers = ({getattr(one, name) for one in self.pods} for name in ("node", "api_server"))
        times = ", ".join(f"{what} {spread(seconds)}" for what, seconds in self.seconds().items())
        return (
            f"pods {self.when}: {len(self.pods)} on {len(nodes)} nodes through {len(servers)} API servers,"
            f" {times}"
        )


def spread(seconds: Sequence[float | None]) -> str:
    """ "3.1 s (2.0 to 5.4)": median, least and most of what was reached in time, and how many were not."""
    reached = [one for one in seconds if one is not None]
    text = f"{statistics.median(reached):.1f} s ({min(reached):.1f} to {max(reached):.1f})" if reached else ""
    never = len(seconds) - len(reached)
    return ", ".join(filter(None, (text, f"{never} never in time" if never else "")))


def read_nodes(listed: Mapping[str, Any]) -> tuple[Node, ...]:
    """The nodes of a NodeList that run Linux: the pause image of another system is none of theirs."""
    return tuple(
        Node(
            name=item["metadata"]["name"],
            is_ready=any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in item["status"].get("conditions") or ()
            ),
            pause_image=_pause_image(item["status"].get("images") or ()),
            removes_late=bool(_LATE.match(item["status"].get("nodeInfo", {}).get("kubeletVersion", ""))),
        )
        for item in listed["items"]
        if item["status"].get("nodeInfo", {}).get("operatingSystem", "linux") == "linux"
    )


def _pause_image(images: Iterable[Mapping[str, Any]]) -> str | None:
    names = (name for image in images for name in image.get("names") or ())
    return next((name for name in names if _PAUSE.fullmatch(name)), None)


def image_for(node: Node, nodes: Iterable[Node], image: str | None) -> str | None:
    """The setting's image, or else the node's own pause image, or else another node's.

    A node names the largest fifty of its images only; one cluster's kubelets use one pause image.
    """
    named = (one.pause_image for one in nodes if one.pause_image is not None)
    return image or node.pause_image or next(named, None)


def pod(name: str, node: str, image: str, namespace: str, label: str | None = None) -> dict[str, Any]:
    """A pod of one container that exits on SIGTERM at once.

    It is bound to its node, so that the scheduler has no part in what is timed.
    """
    container = {"name": "pause", "image": image, "imagePullPolicy": "IfNotPresent"}
    metadata = {"name": name, "namespace": namespace, "labels": {} if label is None else {LABEL: label}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "tolerations": [{"operator": "Exists"}], "containers": [container]},
    }


def pod_lines(label: str, images: Mapping[str, str]) -> str:
    """The standard input of pod-probe.sh, for {node: image}; a pod's name is the label and its place."""
    lines = (
        f"{label}-{number} {json.dumps(pod(f'{label}-{number}', node, image, NAMESPACE, label))}\n"
        for number, (node, image) in enumerate(images.items())
    )
    return "".join(lines)


def read_round(lines: Iterable[str], api_server: str, label: str, nodes: Iterable[str]) -> Iterator[PodTime]:
    """The report of pod-probe.sh for one pod on each of these nodes, in this order.

    Raises ValueError, KeyError or IndexError where it is no such report.
    """
    report = parse_report(lines)
    made = dict(line.split() for line in report.get("made", ("",))[0].splitlines())
    refused = dict(line.split(" ", 1) for line in report.get("refused", ("",))[0].splitlines())
    deleted = int(report["deleted"][0])
    seen = [_seen(text) for text in report.get("seen", ())]
    silent = report.get("silent", ("",))[0]
    sooner = [(at, pods) for at, pods in seen if at <= deleted]
    later = [(at, pods) for at, pods in seen if at >= deleted]
    for number, node in enumerate(nodes):
        name = f"{label}-{number}"
        ran = next((at for at, pods in sooner if pods.get(name, "").endswith(" Running")), None)
        if ran is None or name not in made:
            told = refused.get(name) or silent or _last(name, sooner)
            yield PodTime(api_server, node, None, None, None, told)
            continue
        # As kubectl shows it: "0/1 Terminating", and not there at all.
        stopped = next((at for at, pods in later if pods.get(name, "0/").startswith("0/")), None)
        gone = next((at for at, pods in later if name not in pods), None)
        yield PodTime(
            api_server,
            node,
            (ran - int(made[name])) / 100,
            None if stopped is None else (stopped - deleted) / 100,
            None if gone is None else (gone - deleted) / 100,
            "" if gone is not None else silent or _last(name, later),
        )


def _last(name: str, seen: Iterable[tuple[int, dict[str, str]]]) -> str:
    """The last that was seen of a pod; empty where nothing was."""
    return ([pods[name] for _, pods in seen if name in pods] or [""])[-1]


def _seen(text: str) -> tuple[int, dict[str, str]]:
    """When a list was seen, and {pod: ready and status as kubectl shows them}."""
    at, *lines = text.splitlines()
    return int(at), dict(line.split(" ", 1) for line in lines)


def lost_problems(round_: Round, limit_seconds: float) -> Iterator[Problem]:
    """A problem for each node with pods that never ran or were never gone, and one for each kind."""
    for ran in (False, True):
        lost: dict[str, list[PodTime]] = {}
        for one in round_.pods:
            if one.gone_seconds is None and (one.running_seconds is not None) == ran:
                lost.setdefault(one.node, []).append(one)
        for node, pods in lost.items():
            servers = ", ".join(one.api_server for one in pods)
            told = next((f" (last seen: {one.told})" for one in pods if one.told), "")
            yield Problem(
                f"node {node}",
                f"a pod that {'is not gone' if ran else 'does not run'} after {limit_seconds:g} s, through"
                f" the API server of {servers}{told}",
                f"one that {'goes' if ran else 'runs'} within seconds",
                "look at kubelet's log on that node, and at that API server's",
            )


def slower(before: Round, after: Round) -> Iterator[str]:
    """What has become slower, in words; what one of both has no median of is left out.

    A pod that goes late, by a kubelet that is late by itself, counts where its container has ended
    late too; that alone is no slow delete: kubelet looks after its containers once a second.
    """
    old, new = before.medians(), after.medians()
    slow = {
        what
        for what in old.keys() & new.keys()
        if new[what] - old[what] > SLOWER_SECONDS and new[what] > SLOWER_RATIO * old[what]
    }
    if after.removes_late and STOPPED not in slow:
        slow.discard(GONE)
    for what in (RUNNING, GONE):
        if what in slow:
            times = f"{new[what] / old[what]:.2f} times what it took before ({old[what]:.1f} s)"
            yield f"{what} takes {new[what]:.1f} s, {times}"


def ratios(before: Round, after: Round) -> str:
    """ "create to Running 0.98, ... times as long as before"; empty without medians."""
    old = before.medians()
    found = [f"{what} {new / old[what]:.2f}" for what, new in after.medians().items() if old.get(what)]
    return f"{', '.join(found)} times as long as before" if found else ""
