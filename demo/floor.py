"""The bare floor: how long the API is gone if its processes are only stopped and started.

An outage is judged by its ratio to this, measured on the same machines a minute before.

kubelet must not distort it. A container that has stopped before within the last minutes is held
back for 10, 20, 40 s before it starts again; kubelet knows it by its pod, and a static pod by its
manifest. Unchanged manifests come back as the same pods, so after any earlier restart the floor
grows by that much, while a migration, which changes kube-apiserver's manifest, is spared it: seen
as a "floor" of 24 s and a migration of 14 s. kubelet keeps that account in memory alone, so it is
started anew before the measurement, and after it for the sake of what comes next.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus

from demo.api import ApiClient, Unanswered
from demo.errors import DemoError
from demo.gaps import Gap
from demo.hosts import on_all
from demo.processes import COMM_PATTERN, COMPONENTS, control_plane
from demo.writers import LOAD_BALANCER, Record, Writers
from lab import Lab, health

_GONE_SECONDS = 60
_READY_SECONDS = 180.0
_HEALTHY_SECONDS = 180.0
_WARM_UP_SECONDS = 3.0
# kubelet starts a static pod within 1 to 3 s; the shortest it holds one back is 10 s.
_PROMPT_START_SECONDS = 5.0
_MANIFESTS = "/etc/kubernetes/manifests"
# On the same filesystem, so that each move is one rename, and not below the manifests, where
# kubelet would go on running what it finds.
_ASIDE = "/etc/kubernetes/unstack-demo-floor"
_FILES = " ".join(f"{component}.yaml" for component in COMPONENTS)

_OUT = f"""
set -eu
mkdir -p {_ASIDE}
cd {_MANIFESTS}
begun=${{EPOCHREALTIME/./}}
mv -- {_FILES} {_ASIDE}/
end=$((SECONDS + {_GONE_SECONDS}))
while grep -sqxE '{COMM_PATTERN}' /proc/[0-9]*/comm; do
    if [ $SECONDS -ge $end ]; then
        echo "not gone in {_GONE_SECONDS} s:" $(grep -shxE '{COMM_PATTERN}' /proc/[0-9]*/comm)
        exit 1
    fi
    sleep 0.1
done
echo $((${{EPOCHREALTIME/./}} - begun))
"""
# Whatever is there: it also repairs what an interrupted measurement has left.
_BACK = f"""
set -eu
[ -d {_ASIDE} ] || exit 0
find {_ASIDE} -name '*.yaml' -exec mv -- {{}} {_MANIFESTS}/ ';'
rmdir {_ASIDE}
"""


@dataclass(frozen=True)
class Floor:
    """What stopping and starting the control plane took, nothing in between; all in seconds."""

    # Longest time without an acknowledged write, by writer, the load balancer's among them.
    gaps: Mapping[str, Gap]
    # By master: from the manifests' move until the processes were gone.
    gone_seconds: Mapping[str, float]
    # By master: from the manifests' return until its API server was ready.
    ready_seconds: Mapping[str, float]
    # By master: from the manifests' return until its API server's process started.
    started_seconds: Mapping[str, float]
    # From the manifests' return until all nodes and leaders had renewed their leases.
    healthy_seconds: float
    acknowledged: Mapping[str, str]

    @property
    def seconds(self) -> float:
        """The floor: longest time without an acknowledged write through the load balancer."""
        return self.gaps[LOAD_BALANCER].seconds

    @property
    def is_inflated(self) -> bool:
        """Whether kubelet held every API server back: then a ratio to this flatters."""
        return min(self.started_seconds.values(), default=0.0) > _PROMPT_START_SECONDS


def measure(lab: Lab, context: ssl.SSLContext, writers: Writers) -> Floor:
    """Move the three manifests out on all masters until their processes are gone, and back.

    The writers are started and stopped here. Returns when every API server is ready and the
    cluster healthy again; raises DemoError or LabError if it does not become so.
    """
    _forget_restarts(lab)
    writers.start()
    try:
        writers.wait_until_all_write(_READY_SECONDS)
        time.sleep(_WARM_UP_SECONDS)
        try:
            gone = on_all(lab, lab.masters, _OUT)
        finally:
            on_all(lab, lab.masters, _BACK)
        back, back_time = time.monotonic(), datetime.now(timezone.utc)
        back_unix = time.time()
        ready = _wait_until_ready(lab, context, back)
        health.wait(lab, _HEALTHY_SECONDS, back_time)
        healthy = time.monotonic() - back
        started = {
            process.master: process.started - back_unix
            for process in control_plane(lab)
            if process.component == COMPONENTS[0]
        }
        writers.wait_until_all_write(_READY_SECONDS)
    finally:
        records = writers.stop()
    _forget_restarts(lab)
    return Floor(
        gaps={writer: record.longest_gap() for writer, record in records.items()},
        gone_seconds={master: int(text) / 1e6 for master, text in gone.items()},
        ready_seconds=ready,
        started_seconds=started,
        healthy_seconds=healthy,
        acknowledged=_all_names(records),
    )


def _forget_restarts(lab: Lab) -> None:
    """Start every kubelet anew, which lets the containers run on, and wait until all is healthy."""
    since = datetime.now(timezone.utc)
    on_all(lab, lab.masters, "systemctl restart kubelet")
    health.wait(lab, _HEALTHY_SECONDS, since)


def _wait_until_ready(lab: Lab, context: ssl.SSLContext, back: float) -> dict[str, float]:
    """Seconds from `back` until each API server said so itself; its old process is gone by now."""
    clients = {name: ApiClient(address, context, 1.0) for name, address in lab.api_servers.items()}
    ready: dict[str, float] = {}
    while len(ready) < len(clients):
        for name, client in clients.items():
            if name not in ready and _is_ready(client):
                ready[name] = time.monotonic() - back
        if time.monotonic() - back > _READY_SECONDS:
            waiting = ", ".join(sorted(clients.keys() - ready.keys()))
            raise DemoError(f"API servers not ready after {_READY_SECONDS:.0f} s: {waiting}")
        time.sleep(0.1)
    for client in clients.values():
        client.close()
    return ready


def _is_ready(client: ApiClient) -> bool:
    try:
        return client.request("GET", "/readyz").status == HTTPStatus.OK
    except Unanswered:
        return False


def _all_names(records: Mapping[str, Record]) -> dict[str, str]:
    return {name: uid for record in records.values() for name, uid in record.names().items()}
