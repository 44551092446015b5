"""The copy of the healthy cluster that `reset` puts back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from lab import health, machines
from lab.health import LEADER_LEASES
from lab.progress import step
from lab.shape import Node
from lab.state import PRISTINE, Lab

_START_SECONDS = 180.0
_IN_MACHINE = "/var/lib/docker/lab-pristine.tar"
# Names of dockershim: k8s_<container>_<pod>_<namespace>_<uid>_<attempt>.
_STOP = (
    "docker ps --format '{{{{.Names}}}}' | grep -E '^k8s_({pods})_' | xargs -r docker stop -t 20 >/dev/null"
)
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
    PRISTINE.mkdir(mode=0o700, parents=True, exist_ok=True)
    since = datetime.now(timezone.utc)
    with step("keeping a pristine copy"):
        _on_all(lab, "systemctl stop kubelet")
        _on_all(lab, _STOP.format(pods="kube-controller-manager|kube-scheduler"))
        # The next leaders need not wait until the leases of the stopped ones have run out.
        lab.kubectl("delete", "lease", "-n", "kube-system", *LEADER_LEASES)
        _on_all(lab, _STOP.format(pods="kube-apiserver"))
        _on_all(lab, _STOP.format(pods=".*"))
        machines.parallel(lambda node: _copy(lab, node), nodes)
        _on_all(lab, "systemctl start kubelet")
    with step("starting the cluster again") as current:
        health.wait(lab, _START_SECONDS, since, current)


def _on_all(lab: Lab, command: str) -> None:
    machines.parallel(
        lambda node: machines.check(lab.client, node.container, command), lab.masters + lab.workers
    )


def _copy(lab: Lab, node: Node) -> None:
    command = (
        f'set -e; cd /; for path in {_KEPT}; do [ ! -e "$path" ] || set -- "$@" "$path"; done;'
        f' tar --one-file-system --sparse -cf {_IN_MACHINE} "$@"'
    )
    machines.check(lab.client, node.container, command)
    machines.fetch(lab.client, node.container, _IN_MACHINE, archive(node))
    machines.check(lab.client, node.container, ["rm", _IN_MACHINE])
