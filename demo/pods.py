"""A pod, made and removed: the whole chain from API server to kubelet works."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from demo.api import Answer, ApiClient
from demo.errors import DemoError
from demo.objects import NAMESPACE

# kubeadm 1.20's, which every node has because its own pods need it.
PAUSE_IMAGE = "k8s.gcr.io/pause:3.2"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_SERVICE_ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class PodTimes:
    """How long a pod took on one node, in seconds; `node` is Kubernetes' name of it."""

    node: str
    ready_seconds: float
    gone_seconds: float


def measure(address: str, context: ssl.SSLContext, node: str, timeout_seconds: float = 90.0) -> PodTimes:
    """Create a pod on a node until it is Ready, delete it until it is gone.

    Raises DemoError if either takes longer than `timeout_seconds`.
    """
    client = ApiClient(address, context, _TIMEOUT_SECONDS)
    name = f"unstack-demo-{node}"
    path = f"{_PODS}/{name}"

    def get(what: str) -> Answer:
        return client.expect("GET", what, accept=(HTTPStatus.NOT_FOUND,))

    # The controller manager makes it; without it a pod is refused, which is no matter of nodes.
    _wait(
        lambda: get(_SERVICE_ACCOUNT).status == HTTPStatus.OK,
        timeout_seconds,
        f"{NAMESPACE} has its default service account",
    )
    begun = time.monotonic()
    client.expect("POST", _PODS, _pod(name, node))
    ready = _wait(lambda: _is_ready(get(path)), timeout_seconds, f"the pod on {node} is Ready", begun)
    begun = time.monotonic()
    client.expect("DELETE", path)
    gone = _wait(
        lambda: get(path).status == HTTPStatus.NOT_FOUND,
        timeout_seconds,
        f"the pod on {node} is gone",
        begun,
    )
    client.close()
    return PodTimes(node, ready, gone)


def _pod(name: str, node: str) -> dict[str, Any]:
    # By the node's name through affinity: unlike spec.nodeName it leaves the scheduler its part.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "affinity": {"nodeAffinity": required},
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "IfNotPresent"}],
        },
    }


def _is_ready(answer: Answer) -> bool:
    conditions = answer.body.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _wait(condition: Callable[[], bool], seconds: float, what: str, begun: float | None = None) -> float:
    """Seconds since `begun` when the condition came true."""
    since = time.monotonic() if begun is None else begun
    while not condition():
        if time.monotonic() - since > seconds:
            raise DemoError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(_POLL_SECONDS)
    return time.monotonic() - since
