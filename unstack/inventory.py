"""Masters of an inventory, read from what the cluster's own API says of its nodes."""

from __future__ import annotations

import json
from typing import Any

# kubeadm's label is the first from 1.20 on, the second alone before; both until 1.24.
_MASTER_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


def masters_of(text: str) -> list[tuple[str, dict[str, str]]]:
    """The control plane nodes in the output of `kubectl get nodes -o json`, as pyinfra hosts.

    Each is named as its node, and `address` and `ssh_hostname` are its first InternalIP. Raises
    ValueError, with one line for the operator, where the text is no such list, names no control
    plane node, or one without an InternalIP.
    """
    nodes = [node for node in _nodes(text) if set(_MASTER_LABELS) & set(node["metadata"].get("labels") or {})]
    if not nodes:
        raise ValueError(
            f"found no node labelled {_MASTER_LABELS[0]}; expected every control plane node;"
            " to do: write the masters into the inventory by hand"
        )
    return [(node["metadata"]["name"], _host(node)) for node in nodes]


def _nodes(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
        # A single node is printed without a list around it.
        nodes = [found] if found["kind"] == "Node" else found["items"]
        if all(node["kind"] == "Node" and node["metadata"]["name"] for node in nodes):
            return list(nodes)
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(
        "found no list of nodes; expected what `kubectl get nodes -o json` prints; to do: save it again"
    )


def _host(node: dict[str, Any]) -> dict[str, str]:
    for address in node.get("status", {}).get("addresses") or ():
        if address["type"] == "InternalIP":
            return {"ssh_hostname": address["address"], "address": address["address"]}
    raise ValueError(
        f"{node['metadata']['name']}: found no InternalIP; expected the address by which the other hosts"
        " reach it; to do: write the masters into the inventory by hand"
    )
