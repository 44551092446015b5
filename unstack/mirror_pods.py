"""Mirror pods: what kubelet shows of its static pods in the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unstack.manifest import argv, flag

PODS = "/api/v1/namespaces/kube-system/pods"
# kubeadm's own label.
API_SERVER_PODS = f"{PODS}?labelSelector=component%3Dkube-apiserver"
MIRROR = "kubernetes.io/config.mirror"


def mirror_pods(listed: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those pods of a PodList that are mirror pods."""
    for pod in listed.get("items") or ():
        if MIRROR in (pod["metadata"].get("annotations") or {}):
            yield pod


def api_server_pod(listed: Mapping[str, Any], address: str) -> str | None:
    """The name of the mirror pod in a PodList whose API server has this --advertise-address.

    It ends in the node's name, which is neither the inventory's nor always the host's. None without one.
    """
    for pod in mirror_pods(listed):
        if any(flag(argv(one), "advertise-address") == address for one in pod["spec"]["containers"]):
            return str(pod["metadata"]["name"])
    return None
