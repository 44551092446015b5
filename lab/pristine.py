"""The copy of the healthy cluster that `reset` puts back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from lab import health, machines
from lab.progress import step
from lab.shape import Node
from lab.state import PRISTINE, Lab

_START_SECONDS = 180.0
_IN_MACHINE = "/var/lib/docker/lab-pristine.tar"
# Pods and their volumes are not kept: kubelet makes them anew from what the API server says.
_KEPT = (
    "etc/kubernetes var/lib/etcd var/lib/kubelet/pki"
    " var/lib/kubelet/config.yaml var/lib/kubelet/kubeadm-flags.env"
)


def archive(node: Node) -> Path:
    """Where the copy of a node lies, a tar file relative to /."""
    return PRISTINE / f"{node.name}.tar"


def kept(lab: Lab) -> bool:
    """Whether there is a whole copy."""
    return all(archive(node).exists() for node in lab.masters + lab.workers)


def keep(lab: Lab) -> None:
    """Copy every Kubernetes node's state while the whole cluster stands still.

    All members of etcd stop before any is copied: the copies belong to one moment, and no member
    can be behind what another has acknowledged.
    """
    nodes = lab.masters + lab.workers
    client = lab.client
    PRISTINE.mkdir(mode=0o700, parents=True, exist_ok=True)
    since = datetime.now(timezone.utc)
    with step("keeping a pristine copy"):
        machines.parallel(
            lambda node: machines.check(
                client,
                node.container,
                "systemctl stop kubelet && docker ps -q | xargs -r docker stop -t 20 >/dev/null",
            ),
            nodes,
        )
        machines.parallel(lambda node: _copy(lab, node), nodes)
        machines.parallel(
            lambda node: machines.check(client, node.container, "systemctl start kubelet"), nodes
        )
    with step("starting the cluster again") as current:
        health.wait(lab, _START_SECONDS, since, current)


def _copy(lab: Lab, node: Node) -> None:
    command = (
        f'set -e; cd /; for path in {_KEPT}; do [ ! -e "$path" ] || set -- "$@" "$path"; done;'
        f' tar --one-file-system --sparse -cf {_IN_MACHINE} "$@"'
    )
    machines.check(lab.client, node.container, command)
    machines.fetch(lab.client, node.container, _IN_MACHINE, archive(node))
    machines.check(lab.client, node.container, ["rm", _IN_MACHINE])
