"""Whether there is a whole control plane, and on which etcd: processes, /readyz and live writes."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

from demo.api import ApiClient, Unanswered
from demo.errors import DemoError
from demo.processes import COMPONENTS, Process, control_plane
from demo.writers import Writers
from faults.members import cluster_ids
from lab import Lab, LabError, Node
from lab.shape import API_PORT

# old, new and joint are whole, joint with API servers on old and new members of one etcd cluster; down is
# no API server at all; mixed is everything in between.
State = Literal["old", "new", "joint", "down", "mixed"]

_PROBE_SECONDS = 2.0
_POLL_SECONDS = 1.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class ControlPlane:
    """The state, and one line for everything that keeps it from being whole."""

    state: State
    details: tuple[str, ...] = ()
    # API servers on the old etcd and others on the new one: each takes writes the other never sees.
    is_split: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every master has all of it, on one and the same etcd."""
        return self.state in ("old", "new", "joint")


def judge(
    masters: Sequence[Node],
    etcd: Sequence[Node],
    processes: Sequence[Process],
    ready: Collection[str],
    silent: Sequence[str] = (),
    is_one_cluster: bool = False,
) -> ControlPlane:
    """The state of these masters.

    + processes: of the three components; those of other masters are left out
    + ready: names of the masters whose own API server answers /readyz with "ok"
    + silent: writers that got nothing acknowledged of late
    + is_one_cluster: all members of etcd, old and new, are of one cluster
    """
    names = {node.name for node in masters}
    servers = [p for p in processes if p.component == COMPONENTS[0] and p.master in names]
    if not servers:
        return ControlPlane("down", ("no API server runs on any master",))
    addresses = {node.name: node.ip for node in masters}
    external = {f"https://{node.ip}:2379" for node in etcd}
    sides = {server.master: _side(server, addresses[server.master], external) for server in servers}
    details = [
        *_incomplete(masters, processes, ready),
        *(f"{writer}: no write acknowledged" for writer in silent),
    ]
    found = set(sides.values())
    is_joint = found == {"old", "new"} and is_one_cluster
    if (len(found) > 1 and not is_joint) or "other" in found:
        details.insert(0, ", ".join(f"{name} on the {side} etcd" for name, side in sorted(sides.items())))
    is_split = {"old", "new"} <= found and not is_one_cluster
    if details:
        return ControlPlane("mixed", tuple(details), is_split)
    return ControlPlane("joint" if is_joint else "old" if found == {"old"} else "new")


def _side(server: Process, address: str, external: Collection[str]) -> str:
    if set(server.etcd_servers) == external:
        return "new"
    hosts = {urlsplit(url).hostname for url in server.etcd_servers}
    return "old" if hosts and hosts <= {*_LOOPBACK, address} else "other"


def _incomplete(
    masters: Sequence[Node], processes: Sequence[Process], ready: Collection[str]
) -> Iterator[str]:
    for node in masters:
        for component in COMPONENTS:
            count = sum((p.master, p.component) == (node.name, component) for p in processes)
            if count != 1:
                yield f"{node.name}: {count} processes of {component}, expected 1"
        if node.name not in ready:
            yield f"{node.name}: API server not ready"


def look(lab: Lab, context: ssl.SSLContext, masters: Sequence[Node], silent: Sequence[str]) -> ControlPlane:
    """The state of these masters now; "mixed" with the reason where a machine can't be asked."""
    try:
        processes = control_plane(lab)
    except (DemoError, LabError) as error:
        return ControlPlane("mixed", (str(error),))
    ready = {node.name for node in masters if _is_ready(node, context)}
    found = judge(masters, lab.etcd, processes, ready, silent)
    if found.is_split and len(cluster_ids(lab)) == 1:
        return judge(masters, lab.etcd, processes, ready, silent, is_one_cluster=True)
    return found


def settle(lab: Lab, context: ssl.SSLContext, writers: Writers, seconds: float) -> ControlPlane:
    """Wait until the control plane is whole and every writer writes again; what is there by then."""
    begun = time.monotonic()
    while True:
        silent = [
            writer
            for writer, record in writers.records.items()
            if (last := record.last_acknowledged()) is None or last < begun
        ]
        found = look(lab, context, lab.masters, silent)
        if found.is_whole or time.monotonic() - begun > seconds:
            return found
        time.sleep(_POLL_SECONDS)


def _is_ready(node: Node, context: ssl.SSLContext) -> bool:
    client = ApiClient(f"{node.ip}:{API_PORT}", context, _PROBE_SECONDS)
    try:
        return client.request("GET", "/readyz").status == HTTPStatus.OK
    except Unanswered:
        return False
    finally:
        client.close()
