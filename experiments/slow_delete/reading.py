"""What each running API server is connected to, and whether it knows what its etcd knows."""

from __future__ import annotations

import json
import ssl

from demo.api import ApiClient
from demo.hosts import on_all, output
from demo.objects import NAMESPACE
from demo.processes import COMPONENTS, control_plane
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import PODS
from experiments.slow_delete.results import ApiServer
from lab import Lab, Node

_KUBERNETES = "/api/v1/namespaces/default/endpoints/kubernetes"
_TIMEOUT_SECONDS = 10.0


def api_servers(lab: Lab, context: ssl.SSLContext) -> list[ApiServer]:
    """Every running API server, by its process, its own address and its store.

    Raises ExperimentError, DemoError or LabError where one can't be asked.
    """
    found = []
    for process in control_plane(lab):
        if process.component != COMPONENTS[0]:
            continue
        is_external = uses_external(lab, process.etcd_servers)
        before = revision(lab, is_external=is_external)
        client = ApiClient(lab.api_servers[process.master], context, _TIMEOUT_SECONDS)
        # Without a resourceVersion a list comes from etcd, with 0 from the API server's watch cache.
        listed = list_revision(client.expect("GET", f"{PODS}?limit=1").body)
        cached = list_revision(client.expect("GET", f"{PODS}?resourceVersion=0").body)
        client.close()
        found.append(
            ApiServer(
                master=process.master,
                etcd_servers=process.etcd_servers,
                list_revision=listed,
                cache_revision=cached,
                etcd_revision=(before, revision(lab, is_external=is_external)),
            )
        )
    return found


def revision(lab: Lab, *, is_external: bool) -> int:
    """The revision of the external or of the stacked etcd, by its own etcdctl."""
    if is_external:
        # Without TLS by default; after the tool's migration the container knows its certificates.
        command = ["docker", "exec", "etcd", "etcdctl", "endpoint", "status", "-w", "json"]
        return status_revision(output(lab, lab.etcd[0], command))
    return status_revision(lab.etcdctl("endpoint", "status", "-w", "json"))


def status_revision(text: str) -> int:
    """The highest revision in `etcdctl endpoint status -w json`; raises ExperimentError."""
    try:
        return max(int(member["Status"]["header"]["revision"]) for member in json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"etcdctl endpoint status: not understood: {text[:100]!r}") from error


def list_revision(body: dict[str, object]) -> int:
    """The resourceVersion of a list; raises ExperimentError if the answer has none."""
    metadata = body.get("metadata")
    text = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(text, str) or not text.isdigit():
        raise ExperimentError(f"a list without a resourceVersion: {str(body)[:100]}")
    return int(text)


def uses_external(lab: Lab, etcd_servers: tuple[str, ...]) -> bool:
    """Whether these etcd URLs are those of the external hosts."""
    return any(f"//{node.ip}:" in url for node in lab.etcd for url in etcd_servers)


def endpoint_addresses(lab: Lab, context: ssl.SSLContext, through: Node | None = None) -> list[str]:
    """The addresses of the Service `kubernetes`, sorted; asked of this master, or at the load balancer."""
    address = lab.load_balancer if through is None else lab.api_servers[through.name]
    client = ApiClient(address, context, _TIMEOUT_SECONDS)
    body = client.expect("GET", _KUBERNETES).body
    client.close()
    return sorted(
        str(address["ip"]) for subset in body.get("subsets") or [] for address in subset.get("addresses", [])
    )


def running_containers(lab: Lab, pod_prefix: str) -> dict[str, int]:
    """How many containers of pods whose names begin so run on each master, whatever the API says."""
    # Names of dockershim: k8s_<container>_<pod>_<namespace>_<uid>_<attempt>.
    pattern = f"^k8s_pause_{pod_prefix}[^_]*_{NAMESPACE}_"
    texts = on_all(lab, lab.masters, f"docker ps --format '{{{{.Names}}}}' | grep -cE '{pattern}' || true")
    return {name: int(text) for name, text in texts.items()}
