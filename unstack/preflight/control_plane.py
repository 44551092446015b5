"""Rules about the masters' manifests and processes."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from unstack.api_access import api_access
from unstack.manifest import ManifestError, pki_directory, read_etcd, same_urls, with_external_etcd
from unstack.observations import COMPONENTS
from unstack.placement import Placement
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def manifests_are_kubeadms(cluster: Cluster) -> Iterator[Problem]:
    """Each static pod is where kubeadm puts it, or kept aside by an unfinished run of ours."""
    directory = cluster.topology.settings.manifests_directory
    for name, master in cluster.masters.items():
        for component in COMPONENTS:
            if component not in master.live and component not in master.fenced:
                yield Problem(
                    name,
                    f"no {component}.yaml in {directory}",
                    "the manifest where kubeadm puts it",
                    "set manifests_directory to kubelet's staticPodPath, or put the manifest back",
                )
        if "kube-apiserver" in {*master.live, *master.fenced} and cluster.placed(name) is None:
            yield Problem(
                name,
                "a kube-apiserver.yaml that is no kube-apiserver static pod of kubeadm's form",
                "one container with --etcd-servers=... among its arguments",
                f"correct {directory}/kube-apiserver.yaml",
            )
        yield from _etcd_manifest(cluster, name)


def _etcd_manifest(cluster: Cluster, name: str) -> Iterator[Problem]:
    here = cluster.placed(name)
    if here is None or here.placement is Placement.EXTERNAL:
        return
    directory = cluster.topology.settings.manifests_directory
    try:
        read_etcd(cluster.masters[name].live.get("etcd", ""))
    except ManifestError as error:
        yield Problem(
            name,
            str(error),
            f"the stacked etcd's manifest in {directory}",
            "migrate only clusters with stacked etcd on every master",
        )


def api_servers_use_a_known_etcd(cluster: Cluster) -> Iterator[Problem]:
    """An API server on a third etcd would go on writing there: manifest and process are asked."""
    topology = cluster.topology
    known = LOOPBACK | {master.address for master in topology.masters}
    for name, master in cluster.masters.items():
        here = cluster.placed(name)
        found = {} if here is None else {"manifest": here.manifest.etcd_servers}
        for process in master.running("kube-apiserver"):
            found["running process"] = tuple((process.value("etcd-servers") or "").split(","))
        for where, servers in found.items():
            hosts = {urlsplit(url).hostname for url in servers}
            if not same_urls(servers, topology.client_urls) and not hosts <= known:
                yield Problem(
                    name,
                    f"a kube-apiserver ({where}) on the etcd {','.join(servers)}",
                    "the stacked etcd of the masters, or the external one of the inventory",
                    "correct the inventory: this API server is on another etcd already",
                )
        if here is not None and here.manifest.etcd_servers_overrides:
            yield Problem(
                name,
                f"--etcd-servers-overrides={here.manifest.etcd_servers_overrides}",
                "all resources in one etcd",
                "move those resources into the stacked etcd first; others are not migrated",
            )


def curl_is_there(cluster: Cluster) -> Iterator[Problem]:
    """The API server is asked on its own host."""
    for name, master in cluster.masters.items():
        if not master.has_curl:
            yield Problem(name, "no curl", "curl, to ask the API server", "install curl")


def manifests_can_be_changed(cluster: Cluster) -> Iterator[Problem]:
    """The new manifest can be made from the live one, before anything depends on it."""
    topology = cluster.topology
    for name in cluster.masters:
        here = cluster.placed(name)
        if here is None or here.placement is Placement.EXTERNAL:
            continue
        try:
            api_access(here.manifest)
            directory = pki_directory(here.manifest)
            with_external_etcd(
                here.text,
                client_urls=topology.client_urls,
                cafile=f"{directory}/ca.crt",
                certfile=f"{directory}/client.crt",
                keyfile=f"{directory}/client.key",
                template=cluster.manifest_template,
            )
        except ManifestError as error:
            yield Problem(
                name,
                str(error),
                "a kube-apiserver.yaml in kubeadm's form",
                "write the flags one a line, as kubeadm does",
            )


def manifests_can_be_renamed_away(cluster: Cluster) -> Iterator[Problem]:
    """A rename is whole; a copy between filesystems can be read half by kubelet."""
    settings = cluster.topology.settings
    for name, master in cluster.masters.items():
        if not master.same_filesystem and master.live:
            yield Problem(
                name,
                f"{settings.kept_directory} on another filesystem than {settings.manifests_directory}",
                "both on one filesystem",
                "set kept_directory to a directory beside the manifests",
            )
