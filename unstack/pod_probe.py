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
# Slower than this in both ways is told: medians of few pods differ by chance, short ones by much.
SLOWER_RATIO = 1.2
SLOWER_SECONDS = 0.5
# kubelet's own sandbox image, as kubeadm, distributions and mirrors call it: it ends on SIGTERM at once.
_PAUSE = re.compile(r"(?:[\w.:/-]+/)?[\w.-]*pause[\w.-]*:[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class Node:
    """A node that pods can be made on. `pause_image`: one that it holds, None where it names none."""

    name: str
    is_ready: bool
    pause_image: str | None


@dataclass(frozen=True)
class PodTime:
    """A pod by its API server (the master's inventory name) and its node (Kubernetes' name), in seconds.

    None where it never ran, or was never gone, within the limit; `told` is then the last that was
    seen of it.
    """

    api_server: str
    node: str
    running_seconds: float | None
    gone_seconds: float | None
    told: str = ""


@dataclass(frozen=True)
class Round:
    """One round of the probe: a pod on every node through every API server, all at once."""

    when: str
    pods: tuple[PodTime, ...]

    @property
    def running_median(self) -> float | None:
        """Seconds from create to Running; None where none ran."""
        return _median(one.running_seconds for one in self.pods)

    @property
    def gone_median(self) -> float | None:
        """Seconds from delete to gone; None where none went."""
        return _median(one.gone_seconds for one in self.pods)

    def lost(self) -> set[tuple[str, str]]:
        """(API server, node) of the pods that never ran, or were never gone."""
        return {(one.api_server, one.node) for one in self.pods if one.gone_seconds is None}

    def as_json(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        return {"when": self.when, "pods": [asdict(one) for one in self.pods]}

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Round:
        """A line of the journal. Raises KeyError or TypeError where it is none of a round."""
        return cls(line["when"], tuple(PodTime(**one) for one in line["pods"]))

    def __str__(self) -> str:
        nodes, servers = ({getattr(one, name) for one in self.pods} for name in ("node", "api_server"))
        return (
            f"pods {self.when}: {len(self.pods)} on {len(nodes)} nodes through {len(servers)} API servers,"
            f" create to Running {spread([one.running_seconds for one in self.pods])},"
            f" delete to gone {spread([one.gone_seconds for one in self.pods])}"
        )


def spread(seconds: Sequence[float | None]) -> str:
    """ "3.1 s (2.0 to 5.4)": median, least and most of what was reached in time, and how many were not."""
    reached = [one for one in seconds if one is not None]
    text = f"{statistics.median(reached):.1f} s ({min(reached):.1f} to {max(reached):.1f})" if reached else ""
    never = len(seconds) - len(reached)
    return ", ".join(filter(None, (text, f"{never} never in time" if never else "")))


def _median(seconds: Iterable[float | None]) -> float | None:
    reached = [one for one in seconds if one is not None]
    return statistics.median(reached) if reached else None


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
    for number, node in enumerate(nodes):
        name = f"{label}-{number}"
        ran = next((at for at, list_ in seen if at <= deleted and list_.get(name) == "Running"), None)
        gone = next((at for at, list_ in seen if at >= deleted and name not in list_), None)
        told = refused.get(name) or silent or next((s[name] for _, s in reversed(seen) if name in s), "")
        running_seconds = None if ran is None or name not in made else (ran - int(made[name])) / 100
        gone_seconds = None if gone is None or running_seconds is None else (gone - deleted) / 100
        well = gone_seconds is not None
        yield PodTime(api_server, node, running_seconds, gone_seconds, "" if well else told.strip())


def _seen(text: str) -> tuple[int, dict[str, str]]:
    """When a list was seen, and {pod: status as kubectl shows it}."""
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
    """What has become slower, in words; nothing where one of both has no median."""
    for what, old, new in (
        ("create to Running", before.running_median, after.running_median),
        ("delete to gone", before.gone_median, after.gone_median),
    ):
        if old is not None and new is not None and new - old > SLOWER_SECONDS and new > SLOWER_RATIO * old:
            yield f"{what} takes {new:.1f} s, {new / old:.2f} times what it took before ({old:.1f} s)"


def ratios(before: Round, after: Round) -> str:
    """ "create to Running 0.98, delete to gone 1.10 times as long as before"; empty without medians."""
    found = [
        f"{what} {new / old:.2f}"
        for what, old, new in (
            ("create to Running", before.running_median, after.running_median),
            ("delete to gone", before.gone_median, after.gone_median),
        )
        if old and new is not None
    ]
    return f"{', '.join(found)} times as long as before" if found else ""
