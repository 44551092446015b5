"""The members of etcd, old and new, asked one by one by their own etcdctl."""

from __future__ import annotations

import json

from lab import Lab, Node

# Each by itself, with the pair that it has for this: where all were asked at once, one that is down would
# be an error of all. What it logs must not end up in the JSON.
_PKI = "/etc/kubernetes/pki/etcd"
_STACKED = (
    'container=$(docker ps --quiet --filter name=^k8s_etcd_ | head -n 1) && [ -n "$container" ] &&'
    f' docker exec -e ETCDCTL_API=3 "$container" etcdctl --cacert={_PKI}/ca.crt'
    f" --cert={_PKI}/healthcheck-client.crt --key={_PKI}/healthcheck-client.key"
    " --endpoints=https://127.0.0.1:2379 --command-timeout=5s endpoint status -w json 2>/dev/null"
)
_EXTERNAL = "docker exec etcd etcdctl --command-timeout=5s endpoint status -w json 2>/dev/null"


def cluster_ids(lab: Lab) -> dict[int, list[str]]:
    """The clusters that there are, by the members that answer: id -> names of their machines."""
    found: dict[int, list[str]] = {}
    for node, command in (*((n, _STACKED) for n in lab.masters), *((n, _EXTERNAL) for n in lab.etcd)):
        cluster_id = _cluster_id(lab, node, command)
        if cluster_id is not None:
            found.setdefault(cluster_id, []).append(node.name)
    return found


def _cluster_id(lab: Lab, node: Node, command: str) -> int | None:
    """None where no member runs, or it does not answer."""
    status, text = lab.exec(node, command)
    if status != 0:
        return None
    return int(json.loads(text)[0]["Status"]["header"]["cluster_id"])
