"""Rules about kubeadm's own record of where etcd is, which the confirmation is to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from unstack.kubeadm import KubeadmConfigError, with_external_etcd
from unstack.manifest import ManifestError, pki_directory
from unstack.preflight.cluster import Cluster
from unstack.problems import Problem


def can_be_merged(cluster: Cluster) -> Iterator[Problem]:
    """A cluster that is moved and whose kubeadm-config is not would be broken by its next upgrade."""
    directories = _directories(cluster)
    if cluster.kubeadm_config is None or not directories:
        return  # nobody could be asked, as behind a fence; a manifest that can't be read is another rule
    directory = next(iter(directories.values()))
    try:
        with_external_etcd(
            cluster.kubeadm_config,
            endpoints=cluster.topology.client_urls,
            cafile=f"{directory}/ca.crt",
            certfile=f"{directory}/client.crt",
            keyfile=f"{directory}/client.key",
        )
    except KubeadmConfigError as error:
        nothing = "no ClusterConfiguration in the ConfigMap kubeadm-config of kube-system"
        yield Problem(
            "cluster",
            str(error) if cluster.kubeadm_config else nothing,
            "kubeadm's ClusterConfiguration with etcd.local, or with the etcd.external of the inventory",
            "correct it (`kubectl -n kube-system edit configmap kubeadm-config`), or upload what the cluster"
            " was made from (`kubeadm init phase upload-config kubeadm --config FILE`)",
        )


def fits_all_masters(cluster: Cluster) -> Iterator[Problem]:
    """kubeadm-config has one path for all masters; a manifest with another would not survive an upgrade."""
    directories = _directories(cluster)
    if not directories:
        return
    first, expected = next(iter(directories.items()))
    for name, directory in directories.items():
        if directory != expected:
            yield Problem(
                name,
                f"a kube-apiserver.yaml by which the client certificate would lie in {directory}",
                f"{expected}, as on {first}: kubeadm-config has one place for all masters",
                "give kube-apiserver the same --etcd-certfile on all masters",
            )


def _directories(cluster: Cluster) -> Mapping[str, str]:
    """{master: where the external cluster's client pair will lie}, without those that can't be told."""
    found = {}
    for name in cluster.masters:
        here = cluster.placed(name)
        if here is not None:
            try:
                found[name] = pki_directory(here.manifest)
            except ManifestError:
                continue  # a rule of its own
    return found
