"""Rules about the masters' manifests and processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from unstack.api_access import api_access
from unstack.manifest import ManifestError, flag, read_etcd, same_urls
from unstack.observations import COMPONENTS
from unstack.placement import Placement, external_manifest, place, restores_begun, split
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem
from unstack.strategy import Strategy

Endpoint = tuple[str, int]

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
KUBEADM_CLIENT_PORT = 2379


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
        if "kube-apiserver" in {*master.live, *master.fenced}:
            try:
                place(master, cluster.topology)
            except ManifestError as error:
                yield Problem(
                    name,
                    f"a kube-apiserver.yaml that is no kube-apiserver static pod of kubeadm's form: {error}",
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
    known = _stacked_endpoints(cluster)
    for name, master in cluster.masters.items():
        here = cluster.placed(name)
        found = {} if here is None else {"manifest": here.manifest.etcd_servers}
        for process in master.running("kube-apiserver"):
            found["running process"] = tuple((process.value("etcd-servers") or "").split(","))
        for where, servers in found.items():
            endpoints = {_endpoint(url) for url in servers}
            if not same_urls(servers, topology.client_urls) and not endpoints <= known:
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


def _stacked_endpoints(cluster: Cluster) -> set[Endpoint | None]:
    """Where the stacked members serve: the masters' addresses and names with etcd's ports there.

    With the ports: on a master's loopback there may be a proxy to another etcd.
    """
    urls = [
        url
        for status in cluster.stacked.values()
        for member in status.members or ()
        for url in member.client_urls
    ]
    hosts = LOOPBACK | {master.address for master in cluster.topology.masters}
    for name in cluster.masters:
        manifest = cluster.etcd_manifest(name)
        if manifest is not None:
            hosts.add(manifest.name)  # kubeadm gives the certificate the node's name too
            for name_of_flag in ("listen-client-urls", "advertise-client-urls"):
                urls += (flag(manifest.command, name_of_flag) or "").split(",")
    served = {endpoint for url in urls if (endpoint := _endpoint(url))}
    hosts |= {host for host, _ in served}
    ports = {KUBEADM_CLIENT_PORT, *(port for _, port in served)}
    return {(host, port) for host in hosts for port in ports}


def _endpoint(url: str) -> Endpoint | None:
    """(host, port) of a URL, None where it has none of them."""
    try:
        parts = urlsplit(url.strip())
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None
    except ValueError:
        return None


def certificates_outlast_the_migration(cluster: Cluster) -> Iterator[Problem]:
    """The cutover starts every API server anew, and the way back needs the stacked etcd's.

    kubeadm's certificates last a year, and a running process goes on with an expired one: the
    restart would be the first to notice, in the outage.
    """
    days = cluster.topology.settings.minimum_certificate_days
    soon = cluster.read_at + timedelta(days=days)
    for name, certificates in cluster.certificates.items():
        for path, end in certificates.items():
            if end <= soon:
                yield Problem(
                    name,
                    f"{path}, which {'expired' if end <= cluster.read_at else 'expires'} on {end:%Y-%m-%d}",
                    f"certificates that last at least {days} days more",
                    "renew it (`kubeadm certs renew all`) and restart the static pods",
                )


def no_rollback_is_unfinished(cluster: Cluster) -> Iterator[Problem]:
    """Some API servers may write to the stacked etcd again: going forward would split the cluster."""
    for name, one in cluster.masters.items():
        if one.is_returning:
            yield Problem(
                name,
                "a rollback that was begun and not finished",
                "none, or a finished one",
                "run tasks/rollback.py, which finishes it",
            )


def no_restore_is_unfinished(cluster: Cluster) -> Iterator[Problem]:
    """Starting API servers now would decide between two data that only the restore knows of."""
    yield from restores_begun(cluster.masters)


def one_side_only(cluster: Cluster) -> Iterator[Problem]:
    """API servers on both clusters at once: going on would drop what one side has acknowledged.

    In a live migration both kinds of members are one cluster, by their own answers.
    """
    if cluster.under_way is Strategy.LIVE and cluster.is_one_cluster:
        return
    try:
        yield from split(cluster.masters, cluster.topology)
    except ManifestError:
        return  # a rule of its own


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
            external_manifest(here, topology, cluster.manifest_template)
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
