"""A migration by hand, as it is done without this tool: a live snapshot, no fence, no bump.

The external cluster has no TLS, for TLS plays no part in the question. Nothing is undone here: the
lab is reset before each situation.
"""

from __future__ import annotations

import json
import shlex
import ssl
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from demo.api import ApiClient, Unanswered
from demo.hosts import on_all, output
from demo.processes import COMPONENTS
from experiments.slow_delete.errors import ExperimentError
from lab import Lab, Node
from lab.machines import fetch, parallel, tar
from lab.paths import STATE
from lab.shape import API_PORT
from lab.state import run

API_SERVER = COMPONENTS[:1]
MANIFESTS = "/etc/kubernetes/manifests"
# On the same filesystem, so that each move is one rename, and not below the manifests.
ASIDE = "/etc/kubernetes/slow-delete"
_IN_STACKED = "/var/lib/etcd/slow-delete.db"
_ON_HOST = "/var/lib/slow-delete"
_SNAPSHOT = f"{_ON_HOST}/snapshot.db"
_DATA = f"{_ON_HOST}/data"
_TOKEN = "slow-delete"
_GONE_SECONDS = 60
_READY_SECONDS = 180.0
_HEALTHY_SECONDS = 30
_POLL_SECONDS = 0.2

# etcdctl of the running member, in its container; the paths are kubeadm's.
STACKED_ETCDCTL = (
    "docker exec -i $(docker ps -q --filter name=k8s_etcd_) etcdctl --endpoints=https://127.0.0.1:2379"
    " --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt"
    " --key=/etc/kubernetes/pki/etcd/server.key"
)


def snapshot(lab: Lab) -> tuple[Path, int]:
    """Save a snapshot of the running stacked cluster; its file on this machine, and its revision."""
    first = lab.masters[0]
    output(lab, first, ["bash", "-c", f"{STACKED_ETCDCTL} snapshot save {_IN_STACKED} 2>&1"])
    file = STATE / "slow-delete.db"
    fetch(lab.client, first.container, _IN_STACKED, file)
    status = run([str(lab.etcdutl_path), "snapshot", "status", str(file), "-w", "json"], 60)
    return file, snapshot_revision(status)


def snapshot_revision(text: str) -> int:
    """The revision in `etcdutl snapshot status -w json`; raises ExperimentError."""
    try:
        return int(json.loads(text)["revision"])
    except (ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"etcdutl snapshot status: not understood: {text[:100]!r}") from error


def restore(lab: Lab, file: Path) -> None:
    """Restore the snapshot on every external host and start the members; returns when healthy."""
    if not lab.etcd:
        raise ExperimentError("the lab has no hosts for an external etcd")
    content = file.read_bytes()
    members = ",".join(f"{node.name}=http://{node.ip}:2380" for node in lab.etcd)

    def start(node: Node) -> None:
        lab.client.containers.get(node.container).put_archive("/", tar({_SNAPSHOT: (content, 0o600)}))
        output(lab, node, ["bash", "-c", _restore_script(lab, node, members)])

    parallel(start, lab.etcd)
    health = "docker exec etcd etcdctl endpoint health --cluster --command-timeout=2s"
    waiting = f"end=$((SECONDS + {_HEALTHY_SECONDS})); until {health}; do"
    waiting += " [ $SECONDS -lt $end ] || { docker logs --tail 3 etcd; exit 1; }; sleep 0.3; done 2>&1"
    output(lab, lab.etcd[0], ["bash", "-c", waiting])


def _restore_script(lab: Lab, node: Node, members: str) -> str:
    image = shlex.quote(lab.images.etcd_image)
    common = f"--name {node.name} --initial-cluster {members} --initial-cluster-token {_TOKEN}"
    common += f" --initial-advertise-peer-urls http://{node.ip}:2380"
    container = f"--user 0:0 --volume {_ON_HOST}:{_ON_HOST}"
    return f"""
set -eu
docker run --rm --network none {container} --entrypoint etcdutl {image} \
    snapshot restore {_SNAPSHOT} --data-dir {_DATA} {common} 2>&1
docker run --detach --name etcd --network host {container} --entrypoint etcd {image} \
    --data-dir {_DATA} {common} --initial-cluster-state new \
    --listen-peer-urls http://{node.ip}:2380 --advertise-client-urls http://{node.ip}:2379 \
    --listen-client-urls http://{node.ip}:2379,http://127.0.0.1:2379
"""


def external_urls(lab: Lab) -> str:
    """What the API servers' `--etcd-servers` becomes."""
    return ",".join(f"http://{node.ip}:2379" for node in lab.etcd)


def take_away(lab: Lab, masters: Sequence[Node], components: Sequence[str] = API_SERVER) -> None:
    """Move the manifests of these components out, and wait until their processes are gone."""
    files = " ".join(f"{component}.yaml" for component in components)
    # The kernel keeps 15 characters of a process's name.
    pattern = "|".join(component[:15] for component in components)
    on_all(
        lab,
        masters,
        f"""
set -eu
mkdir -p {ASIDE}
cd {MANIFESTS}
mv -- {files} {ASIDE}/
end=$((SECONDS + {_GONE_SECONDS}))
while grep -sqxE '{pattern}' /proc/[0-9]*/comm; do
    [ $SECONDS -lt $end ] || {{ echo "still running after {_GONE_SECONDS} s: {files}"; exit 1; }}
    sleep 0.1
done
""",
    )


def put_back(lab: Lab, context: ssl.SSLContext, masters: Sequence[Node], etcd_urls: str | None) -> None:
    """Put the manifests back that were taken away, and wait until the API servers are ready.

    + etcd_urls: the API server's new `--etcd-servers`; None leaves what it had
    """
    edit = ":"
    if etcd_urls is not None:
        # The certificates are the stacked etcd's; without TLS none may be named.
        edit = (
            f"sed -i -e 's|--etcd-servers=.*|--etcd-servers={etcd_urls}|'"
            f" -e '/--etcd-\\(cafile\\|certfile\\|keyfile\\)=/d' {ASIDE}/kube-apiserver.yaml"
        )
    on_all(lab, masters, f"set -eu; {edit}; mv -- {ASIDE}/*.yaml {MANIFESTS}/; rmdir {ASIDE}")
    _await_ready(context, masters)


def switch_one_by_one(lab: Lab, context: ssl.SSLContext, masters: Sequence[Node]) -> None:
    """Put one API server after the other on the external cluster; the others serve meanwhile."""
    for master in masters:
        take_away(lab, [master])
        put_back(lab, context, [master], external_urls(lab))


def _await_ready(context: ssl.SSLContext, masters: Sequence[Node]) -> None:
    """Wait for /readyz of each; their former processes are gone, so that none of those can answer."""
    deadline = time.monotonic() + _READY_SECONDS
    for master in masters:
        client = ApiClient(f"{master.ip}:{API_PORT}", context, 2.0)
        while not _is_ready(client):
            if time.monotonic() > deadline:
                raise ExperimentError(f"{master.name}: API server not ready after {_READY_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)
        client.close()


def _is_ready(client: ApiClient) -> bool:
    try:
        return client.request("GET", "/readyz").status == HTTPStatus.OK
    except Unanswered:
        return False
