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
LEADER_LEASES = ("kube-controller-manager", "kube-scheduler")
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
        return _node_problems(lab) + _lease_problems(lab, since) + _etcd_problems(lab) + _pod_problems(lab)
    except LabError as error:
        return [str(error)]


def wait(lab: Lab, seconds: float, since: datetime | None = None, current: Step | None = None) -> None:
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
    connection = http.client.HTTPSConnection(node.ip, API_PORT, timeout=_PROBE_SECONDS, context=context)
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
    leaders = {("kube-system", name) for name in LEADER_LEASES}
    listing = lab.kubectl("get", "leases", "--all-namespaces", "-o", "json")
    renewed = set()
    for item in json.loads(listing)["items"]:
        if _time(item["spec"].get("renewTime", "1970-01-01T00:00:00Z")) > since:
            renewed.add((item["metadata"]["namespace"], item["metadata"]["name"]))
    return [f"lease {name} not renewed" for _, name in sorted((nodes | leaders) - renewed)]


def _pod_problems(lab: Lab) -> list[str]:
    """Static pods that the API server does not know.

    Whether they are Ready is not asked: kubelet tells a change of that up to 90 s late (its
    `syncFrequency` of a minute), while the processes themselves are asked above.
    """
    listing = json.loads(lab.kubectl("get", "pods", "-n", "kube-system", "-o", "json"))
    known = {pod["metadata"]["name"] for pod in listing["items"]}
    expected = {f"{name}-{node.node_name}" for name in STATIC_PODS for node in lab.masters}
    return [f"pod {name} not known" for name in sorted(expected - known)]


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
