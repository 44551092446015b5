"""A healthy cluster as the preview would have read it, for tests that change one thing of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from tests.unit.cluster import APISERVER, EXTERNAL, MANIFESTS, TEMPLATES, cluster, etcd_host, master, topology
from unstack.kubeadm import with_external_etcd
from unstack.observations import FilesOnDisk, Mark, Process
from unstack.pki import foresee_pki
from unstack.preflight import Cluster
from unstack.preview import Source

KUBEADM_CONFIG = (MANIFESTS / "ClusterConfiguration.yaml").read_text()
_PKI = "/etc/kubernetes/pki/etcd-external"
MERGED_CONFIG = with_external_etcd(
    KUBEADM_CONFIG,
    endpoints=topology().client_urls,
    cafile=f"{_PKI}/ca.crt",
    certfile=f"{_PKI}/client.crt",
    keyfile=f"{_PKI}/client.key",
)
NOW = datetime(2026, 11, 24, 22, 0, tzinfo=timezone.utc)
CONFIRMED = Mark("20261120T000000Z", datetime(2026, 11, 20, tzinfo=timezone.utc))
NOWHERE = Path("/nonexistent")


def source(
    read: Cluster | None = None,
    sums: Mapping[str, Mapping[str, str]] | None = None,
    texts: Mapping[str, str] | None = None,
    **changes: object,
) -> Source:
    """A cluster, healthy and stacked unless given, of which no file is there but those of `sums`.

    `sums`: {host: {path: sha256}}; `texts`: {host: the text of its compose file}.
    """
    healthy = read or cluster(kubeadm_config=KUBEADM_CONFIG)
    fields: dict[str, object] = {
        "cluster": healthy,
        "files": {
            name: FilesOnDisk((texts or {}).get(name), (sums or {}).get(name, {}))
            for name in (*healthy.masters, *healthy.etcd_hosts)
        },
        "pki": foresee_pki(NOWHERE, healthy.topology, NOW),
        "compose_template": (TEMPLATES / "docker-compose.yaml.j2").read_text(),
        "rehearsal": None,
        "problems": (),
        "now": NOW,
    }
    return Source(**{**fields, **changes})  # type: ignore[arg-type]


def migrated(**changes: object) -> Cluster:
    """A cluster that is moved and confirmed, its stacked etcd at rest."""
    live = {**master().live, "kube-apiserver": APISERVER.replace("https://127.0.0.1:2379", EXTERNAL)}
    del live["etcd"]
    processes = (
        Process(20, 1, ("kube-apiserver", f"--etcd-servers={EXTERNAL}")),
        Process(21, 1, ("kube-controller-manager",)),
        Process(22, 1, ("kube-scheduler",)),
    )
    running = etcd_host(has_data=True, container="running", container_is_ours=True)
    fields: dict[str, object] = {
        "masters": {
            f"master-{number}": master(live=live, processes=processes, confirmed=CONFIRMED)
            for number in (1, 2, 3)
        },
        "etcd_hosts": {f"etcd-{number}": running for number in (1, 2, 3)},
        "stacked": {},
        "kubeadm_config": MERGED_CONFIG,
    }
    return cluster(**{**fields, **changes})
