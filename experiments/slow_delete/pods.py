"""Pods, one per node and API server, timed from create to Running and from delete to gone."""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from demo.api import ApiClient, Unanswered
from demo.objects import NAMESPACE
from demo.pods import PAUSE_IMAGE
from experiments.slow_delete.results import Kind, PodTiming
from lab import Lab, Node
from lab.machines import parallel
from unstack import pod_probe

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
# Nine pods are asked for at once, by three API servers on two cores.
_POLL_SECONDS = 0.25
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Made:
    """A pod that was asked for; `running_seconds` is None if it did not run in time."""

    kind: Kind
    name: str
    api_server: str
    node: str
    running_seconds: float | None


class Pods:
    """The pods of one situation; no two have the same name."""

    def __init__(
        self,
        lab: Lab,
        context: ssl.SSLContext,
        label: str,
        give_up_seconds: float,
        places: Sequence[tuple[Node, Node]] | None = None,
    ) -> None:
        """`label` begins every name; neither wait is longer than `give_up_seconds`.

        + places: the API server's master and the pod's node, for each; every pair by default
        """
        pairs = itertools.product(lab.masters, lab.masters + lab.workers) if places is None else places
        self._places = [(server.name, node.node_name) for server, node in pairs]
        self._addresses = lab.api_servers
        self._context = context
        self._label = label
        self._give_up_seconds = give_up_seconds
        self._numbers = itertools.count()

    def make(self, kind: Kind) -> list[Made]:
        """Ask for one at each place, all at once."""
        return parallel(lambda pair: self._make(kind, *pair), self._pairs())

    def remove(self, made: Sequence[Made]) -> list[PodTiming]:
        """Delete them all at once, each through the API server that made it."""
        return parallel(self._remove, made)

    def rounds(self, count: int) -> list[PodTiming]:
        """Make and remove one at each place, `count` times."""

        def live(pair: tuple[str, str, str]) -> PodTiming:
            return self._remove(self._make("new", *pair))

        return [timing for _ in range(count) for timing in parallel(live, self._pairs())]

    def _pairs(self) -> list[tuple[str, str, str]]:
        """Name, API server and node of the next pods."""
        number = next(self._numbers)
        return [(f"{self._label}-{number}-{server}-{node}", server, node) for server, node in self._places]

    def _make(self, kind: Kind, name: str, server: str, node: str) -> Made:
        client = ApiClient(self._addresses[server], self._context, _ANSWER_SECONDS)
        path, body = f"{PODS}/{name}", pod(name, node)

        def is_made() -> bool:
            # Conflict: an earlier request was carried out and its answer lost.
            return client.request("POST", PODS, body).status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT)

        begun = time.monotonic()
        deadline = begun + self._give_up_seconds
        runs = _await(is_made, deadline) and _await(
            lambda: phase(client.request("GET", path).body) == "Running", deadline
        )
        seconds = time.monotonic() - begun
        client.close()
        return Made(kind, name, server, node, seconds if runs else None)

    def _remove(self, made: Made) -> PodTiming:
        client = ApiClient(self._addresses[made.api_server], self._context, _ANSWER_SECONDS)
        path, has_run = f"{PODS}/{made.name}", made.running_seconds is not None
        begun, is_gone = time.monotonic(), False
        accepted = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NOT_FOUND)
        if has_run:
            deadline = begun + self._give_up_seconds
            is_gone = _await(lambda: client.request("DELETE", path).status in accepted, deadline) and _await(
                lambda: client.request("GET", path).status == HTTPStatus.NOT_FOUND, deadline
            )
        seconds = time.monotonic() - begun
        if not is_gone:
            # What is left over must not be in the way of what is measured next.
            at_once = {"gracePeriodSeconds": 0}
            _await(
                lambda: client.request("DELETE", path, at_once).status in accepted,
                time.monotonic() + _ANSWER_SECONDS,
            )
        client.close()
        return PodTiming(
            kind=made.kind,
            api_server=made.api_server,
            node=made.node,
            running_seconds=made.running_seconds,
            gone_seconds=seconds if is_gone else None,
            was_deleted=has_run,
        )


def pod(name: str, node: str) -> dict[str, Any]:
    """The pod that the tool's own probe makes, in the demonstration's namespace."""
    return pod_probe.pod(name, node, PAUSE_IMAGE, NAMESPACE)


def phase(body: dict[str, Any]) -> str:
    """The pod's phase; empty where the answer is no pod with one."""
    status = body.get("status")
    return str(status.get("phase", "")) if isinstance(status, dict) else ""


def _await(condition: Callable[[], bool], deadline: float) -> bool:
    """Whether it came true in time; an API server that does not answer has not said yes."""
    while True:
        try:
            if condition():
                return True
        except Unanswered:
            pass
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
