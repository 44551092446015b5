"""The stacked etcd's certificates, of which nobody takes care while the external cluster is in use.

kubeadm renews none of them once etcd is external (kubernetes#86864, kubeadm#1992), and each lasts a
year: the restart in a rollback would be the first to notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from unstack.manifest import flag, read_apiserver, read_etcd
from unstack.problems import Problem

# kubeadm mounts its certificates under the paths that they have on the host.
ETCD_FLAGS = ("cert-file", "peer-cert-file", "trusted-ca-file", "peer-trusted-ca-file")


def paths(manifests: Mapping[str, str]) -> tuple[str, ...]:
    """The certificates by which these manifests, {component: text}, start an etcd and reach it.

    Raises ManifestError where one of them can't be read.
    """
    found: list[str] = []
    if "etcd" in manifests:
        command = read_etcd(manifests["etcd"]).command
        found += [path for name in ETCD_FLAGS if (path := flag(command, name))]
    if "kube-apiserver" in manifests:
        server = read_apiserver(manifests["kube-apiserver"])
        found += [path for path in (server.etcd_cafile, server.etcd_certfile) if path]
    return tuple(sorted(set(found)))


def problems(
    host: str, wanted: tuple[str, ...], ends: Mapping[str, datetime], now: datetime, days: int
) -> Iterator[Problem]:
    """Each wanted certificate of a master that is not there, or not for `days` days any more.

    + ends: {path: end} of those that are there
    """
    for path in wanted:
        if path not in ends:
            yield Problem(
                host,
                f"no {path}",
                "the certificate with which the stacked etcd ran",
                "bring it back from a backup, with its key",
            )
        elif ends[path] <= now + timedelta(days=days):
            yield Problem(
                host,
                f"{path}, which {'expired' if ends[path] <= now else 'expires'} on {ends[path]:%Y-%m-%d}",
                f"certificates that last at least {days} days more",
                "make it anew with the CA in /etc/kubernetes/pki/etcd (`kubeadm init phase certs` with"
                " the kept ClusterConfiguration.yaml, after the old file was moved away)",
            )
