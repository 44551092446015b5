"""Whether the cluster is healthy, asked of each part by itself."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from datetime import datetime

from lab.errors import LabError
from lab.progress import Step
from lab.shape import API_PORT, Node
from lab.state import Lab

STATIC_PODS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_PROBE_SECONDS = 3.0


def problems(lab: Lab, since: datetime | None = None) -> list[str]:
    """What keeps the cluster from being healthy; empty if nothing does.

    + since: heartbeats and leases must have been renewed after this time. A cluster that has just
      come back serves what was stored before, in which every node was ready.
    """
    found = [f"{node.name}: API server not ready" for node in lab.masters if not _api_ready(node)]
    if found:
        return found
    try:
        return (
            _node_problems(lab)
            + _lease_problems(lab, since)
            + _etcd_problems(lab)
            + _pod_problems(lab, since)
        )
    except LabError as error:
        return [str(error)]


def wait(
    lab: Lab, seconds: float, since: datetime | None = None, current: Step | None = None
) -> None:
    """Wait until the cluster is healthy; raises LabError with what is still wrong."""
    deadline = time.monotonic() + seconds
    while found := problems(lab, since):
        if current is not None:
            current.detail = "; ".join(found)[:150]
        if time.monotonic() > deadline:
            raise LabError(f"not healthy after {seconds:.0f} s: {'; '.join(found)}")
        time.sleep(0.5)


def _api_ready(node: Node) -> bool:
    # The certificate is not what is asked here, and it may not be known yet.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        node.ip, API_PORT, timeout=_PROBE_SECONDS, context=context
    )
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _node_problems(lab: Lab) -> list[str]:
    expected = {node.node_name: node.name for node in lab.masters + lab.workers}
    ready = set()
    for item in json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]:
        conditions = {c["type"]: c["status"] for c in item["status"].get("conditions", [])}
        if conditions.get("Ready") == "True":
            ready.add(item["metadata"]["name"])
    return [f"{name}: node not Ready" for node, name in expected.items() if node not in ready]


def _lease_problems(lab: Lab, since: datetime | None) -> list[str]:
    if since is None:
        return []
    nodes = {("kube-node-lease", node.node_name) for node in lab.masters + lab.workers}
    leaders = {("kube-system", f"kube-{name}") for name in ("controller-manager", "scheduler")}
    listing = lab.kubectl("get", "leases", "--all-namespaces", "-o", "json")
    renewed = set()
    for item in json.loads(listing)["items"]:
        if _time(item["spec"].get("renewTime", "1970-01-01T00:00:00Z")) > since:
            renewed.add((item["metadata"]["namespace"], item["metadata"]["name"]))
    return [f"lease {name} not renewed" for _, name in sorted((nodes | leaders) - renewed)]


def _pod_problems(lab: Lab, since: datetime | None) -> list[str]:
    """Static pods that the API server does not know, or knows from before `since` only."""
    ready = set()
    for pod in json.loads(lab.kubectl("get", "pods", "-n", "kube-system", "-o", "json"))["items"]:
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
        started = [
            _time(status["state"]["running"]["startedAt"])
            for status in pod["status"].get("containerStatuses", [])
            if "running" in status["state"]
        ]
        fresh = since is None or (started and min(started) >= since.replace(microsecond=0))
        if conditions.get("Ready") == "True" and fresh:
            ready.add(pod["metadata"]["name"])
    expected = {f"{name}-{node.node_name}" for name in STATIC_PODS for node in lab.masters}
    return [f"pod {name} not Ready" for name in sorted(expected - ready)]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _etcd_problems(lab: Lab) -> list[str]:
    members = json.loads(lab.etcdctl("member", "list", "-w", "json"))["members"]
    names = {member.get("name", "") for member in members}
    expected = {node.node_name for node in lab.masters}
    if names != expected:
        return [f"etcd members are {sorted(names)}, not {sorted(expected)}"]
    # It fails, and says which, if any endpoint is unhealthy.
    lab.etcdctl("endpoint", "health", "--command-timeout=3s")
    return []
