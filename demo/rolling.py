"""The floor of a migration without an outage: the API servers restarted one by one, and nothing else.

Each by a manifest that differs in an annotation alone: kubelet ends the old API server and starts the
new one exactly as it does where the manifest names another etcd. A manifest that differs is another pod
for kubelet, so it does not hold the new container back after an earlier restart (`demo.floor`).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus

from demo.api import ApiClient, Unanswered
from demo.errors import DemoError
from demo.gaps import Gap
from demo.hosts import on_all
from demo.processes import COMPONENTS
from demo.writers import LOAD_BALANCER, Record
from lab import Lab, Node
from lab.shape import API_PORT

# How much longer than by restarts alone a migration may keep a write waiting.
STALL_SECONDS = 1.0
# By chance the writer has a request under way or none when its connection ends.
IN_FLIGHT = 1
# A request fails with the connection that ends, a little before or after the API server's own writer
# notices, and until the load balancer knows.
_BEFORE_SECONDS = 0.5
_AFTER_SECONDS = 2.0
_READY_SECONDS = 120.0
_POLL_SECONDS = 0.2
_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
# On the same filesystem, for a rename, and not below the manifests, where kubelet would run it.
_ASIDE = "/etc/kubernetes/unstack-demo-apiserver.yaml"
_ANNOTATION = "unstack-demo/restarted"
_PIDS = f"pgrep -x '{COMPONENTS[0][:15]}' | tr '\\n' ' '; true"


@dataclass(frozen=True)
class Restart:
    """One API server, from the change of its manifest until it is ready; the monotonic clock."""

    master: str
    span: Gap


@dataclass(frozen=True)
class Cost:
    """What restarted API servers have cost the one writer that goes through the load balancer."""

    # Longest time without an acknowledged write, in Unix time.
    stall: Gap
    # By master: its failed requests while that one's API server was away.
    failed: Mapping[str, int]
    # Those at any other time: when, in UTC, and why.
    failed_otherwise: tuple[str, ...]


def cost(records: Mapping[str, Record]) -> Cost:
    """What the writers have seen of one restart of every API server.

    + records: of one writer per API server, by master, and of the one through the load balancer

    When an API server was away is what its own writer says: its longest time without a write. A request
    that nobody refused or cut, and that the writer gave up, is a wait: it counts as a stall.
    """
    balanced = records[LOAD_BALANCER]
    away = {name: record.longest_gap() for name, record in records.items() if name != LOAD_BALANCER}
    failed, otherwise = dict.fromkeys(away, 0), []
    for one in balanced.failed:
        if one.is_given_up:
            continue
        moment = one.moment + balanced.wall_offset
        masters = [
            name
            for name, gap in away.items()
            if gap.begin - _BEFORE_SECONDS <= moment <= gap.end + _AFTER_SECONDS
        ]
        if masters:
            failed[masters[0]] += 1
        else:
            otherwise.append(f"{clock(moment)} {one.reason}")
    return Cost(balanced.longest_gap(), failed, tuple(otherwise))


def clock(moment: float) -> str:
    """A moment in Unix time as a journal shows it: hours to seconds, in UTC."""
    return f"{datetime.fromtimestamp(moment, timezone.utc):%H:%M:%S}"


def beyond(floors: Sequence[Cost], migration: Cost) -> list[str]:
    """What a migration has cost beyond the API servers' restarts, one line each.

    + floors: of restarts without a migration, on the same machines a minute before

    Counted per restart: it is chance how many of the restarts meet the API server that the load
    balancer has given to the writer, and whether a request is under way then.
    """
    found = []
    worst = max(max(floor.failed.values()) for floor in floors)
    for name, count in migration.failed.items():
        if count > worst + IN_FLIGHT:
            found.append(
                f"{count} requests through the load balancer failed while the API server of {name} was"
                f" switched; a restart alone costs {worst} at most"
            )
    if len(migration.failed_otherwise) > max(len(floor.failed_otherwise) for floor in floors):
        reasons = "; ".join(migration.failed_otherwise[:3])
        found.append(
            f"{len(migration.failed_otherwise)} requests through the load balancer failed while every API"
            f" server was there: {reasons}"
        )
    stall = max(floor.stall.seconds for floor in floors)
    if migration.stall.seconds > stall + STALL_SECONDS:
        found.append(
            f"no write was acknowledged through the load balancer for {migration.stall.seconds:.1f} s from"
            f" {clock(migration.stall.begin)} on; restarts alone took {stall:.1f} s"
        )
    return found


def restart(lab: Lab, context: ssl.SSLContext, load_balancer_seconds: float) -> list[Restart]:
    """Restart all API servers, each as soon as the one before is ready and the load balancer knows.

    Raises DemoError if one does not become ready.
    """
    done = []
    for node in lab.masters:
        begun = time.monotonic()
        _replace(lab, node, context)
        done.append(Restart(node.name, Gap(begun, time.monotonic())))
        time.sleep(load_balancer_seconds)
    return done


def _replace(lab: Lab, node: Node, context: ssl.SSLContext) -> None:
    old = on_all(lab, [node], _PIDS)[node.name].split()
    stamp = f'    {_ANNOTATION}: "{time.time():.0f}"'
    script = (
        f"cp -p {_MANIFEST} {_ASIDE} && sed -i -e '\\|{_ANNOTATION}|d' {_ASIDE}"
        f" && sed -i 's|^  annotations:$|&\\n{stamp}|' {_ASIDE}"
        f" && grep -q {_ANNOTATION} {_ASIDE} && mv {_ASIDE} {_MANIFEST}"
    )
    begun = time.monotonic()
    on_all(lab, [node], script)
    while True:
        # The process first: the old API server still answers that it is ready right after the change. It
        # is not waited for: while it serves watches to their end the new one is ready long since.
        new = set(on_all(lab, [node], _PIDS)[node.name].split()) - set(old)
        if new and _is_ready(node, context):
            return
        if time.monotonic() - begun > _READY_SECONDS:
            raise DemoError(f"{node.name}: its API server is not ready after {_READY_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _is_ready(node: Node, context: ssl.SSLContext) -> bool:
    client = ApiClient(f"{node.ip}:{API_PORT}", context, 1.0)
    try:
        return client.request("GET", "/readyz").status == HTTPStatus.OK
    except Unanswered:
        return False
    finally:
        client.close()
