"""The ConfigMaps of the demonstration: loaded beforehand, listed afterwards."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from demo.api import ApiClient
from demo.errors import DemoError

NAMESPACE = "unstack-demo"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
_TIMEOUT_SECONDS = 30.0
_LOADERS = 4
_PAGE = 500
# About what a small real ConfigMap has, so that 2,000 of them are some megabytes of database.
_CONTENT = "x" * 1000


def config_map(name: str, content: str) -> dict[str, Any]:
    """The body of a request that creates a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {"content": content},
    }


def create_namespace(address: str, context: ssl.SSLContext) -> None:
    """Make the namespace of the demonstration; one that exists is used."""
    client = ApiClient(address, context, _TIMEOUT_SECONDS)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    client.expect("POST", "/api/v1/namespaces", body, accept=(HTTPStatus.CONFLICT,))
    client.close()


def namespace_exists(address: str, context: ssl.SSLContext) -> bool:
    """Whether an earlier demonstration has left its namespace."""
    client = ApiClient(address, context, _TIMEOUT_SECONDS)
    path = f"/api/v1/namespaces/{NAMESPACE}"
    answer = client.expect("GET", path, accept=(HTTPStatus.NOT_FOUND,))
    client.close()
    return answer.status != HTTPStatus.NOT_FOUND


def load(address: str, context: ssl.SSLContext, count: int) -> dict[str, str]:
    """Create `count` ConfigMaps and return what was acknowledged: name -> UID."""

    def load_share(first: int) -> dict[str, str]:
        client = ApiClient(address, context, _TIMEOUT_SECONDS)
        created = {}
        for number in range(first, count, _LOADERS):
            name = f"unstack-object-{number:05d}"
            answer = client.expect("POST", CONFIG_MAPS, config_map(name, _CONTENT))
            created[name] = str(answer.body["metadata"]["uid"])
        client.close()
        return created

    with ThreadPoolExecutor(_LOADERS) as pool:
        shares = list(pool.map(load_share, range(_LOADERS)))
    return {name: uid for share in shares for name, uid in share.items()}


def listed(address: str, context: ssl.SSLContext) -> dict[str, str]:
    """Every ConfigMap that is in the namespace now, page by page: name -> UID."""
    client = ApiClient(address, context, _TIMEOUT_SECONDS)
    found: dict[str, str] = {}
    position = ""
    while True:
        # Without a resourceVersion the list comes from etcd with a quorum, never from a cache.
        query = {"limit": str(_PAGE), **({"continue": position} if position else {})}
        answer = client.expect("GET", f"{CONFIG_MAPS}?{urlencode(query)}")
        if not isinstance(answer.body.get("items"), list):
            raise DemoError(f"GET {CONFIG_MAPS}: the answer is no list")
        for item in answer.body["items"]:
            found[item["metadata"]["name"]] = item["metadata"]["uid"]
        position = answer.body["metadata"].get("continue", "")
        if not position:
            client.close()
            return found


def missing(acknowledged: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Names that were acknowledged and are not there, sorted.

    The UID has to be the acknowledged one too: an object of the same name that somebody made
    later is not the one that was promised.
    """
    return sorted(name for name, uid in acknowledged.items() if found.get(name) != uid)
