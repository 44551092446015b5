"""The compose file of an external member, and etcd's flags for its version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import jinja2

from unstack.topology import Member, Topology
from unstack.versions import EtcdVersion

INITIAL_CLUSTER = "--initial-cluster="


def etcd_flags(topology: Topology, member: Member, initial_cluster: str = "") -> tuple[str, ...]:
    """etcd's command line for one member, for the version in the image.

    + initial_cluster: of a member that joins a running cluster; else all external members
    """
    identity = _identity(topology, member, initial_cluster or topology.initial_cluster)
    return ("etcd", *identity, *_tls(topology), *_tuning(topology))


def _identity(topology: Topology, member: Member, initial_cluster: str) -> Iterator[str]:
    settings = topology.settings
    loopback = f"https://127.0.0.1:{settings.etcd_client_port}"
    yield f"--name={member.name}"
    yield f"--data-dir={settings.etcd_data_directory}/data"
    yield f"--listen-client-urls={loopback},{member.client_url}"
    yield f"--advertise-client-urls={member.client_url}"
    yield f"--listen-peer-urls={member.peer_url}"
    yield f"--initial-advertise-peer-urls={member.peer_url}"
    yield f"{INITIAL_CLUSTER}{initial_cluster}"
    # Never "new": a member whose restore failed would start as an empty voter that passes every
    # health check. With "existing" it exits; with restored data the flag is ignored, and so is
    # --initial-cluster-token, which the restore has written into the data. One that joins needs it, and
    # is refused unless --initial-cluster is what the cluster's own list is.
    yield "--initial-cluster-state=existing"


def _tls(topology: Topology) -> Iterator[str]:
    pki = f"{topology.settings.etcd_config_directory}/pki"
    yield "--client-cert-auth=true"
    yield f"--cert-file={pki}/server.crt"
    yield f"--key-file={pki}/server.key"
    yield f"--trusted-ca-file={pki}/ca.crt"
    yield "--peer-client-cert-auth=true"
    yield f"--peer-cert-file={pki}/peer.crt"
    yield f"--peer-key-file={pki}/peer.key"
    yield f"--peer-trusted-ca-file={pki}/ca.crt"
    if topology.settings.version >= EtcdVersion(3, 5, 8):
        yield "--tls-min-version=TLS1.2"


def _tuning(topology: Topology) -> Iterator[str]:
    settings = topology.settings
    yield "--snapshot-count=10000"
    yield f"--quota-backend-bytes={settings.etcd_quota_backend_bytes}"
    yield f"--heartbeat-interval={settings.etcd_heartbeat_interval_milliseconds}"
    yield f"--election-timeout={settings.etcd_election_timeout_milliseconds}"
    # Plain HTTP, on loopback alone: with https etcd would check the prober's address too.
    yield f"--listen-metrics-urls=http://127.0.0.1:{settings.etcd_metrics_port}"
    yield "--logger=zap"
    yield "--log-outputs=stderr"
    # Not the initial corruption check: members that start together ask each other for a hash
    # before any of them serves, and all wait out its 7 s timeout inside the outage (measured). It
    # compares with members that answer only; the migration's own proof asks every member.
    # 3.6 renamed these, 3.7 removed the old names, and 3.5 refuses the new ones.
    if settings.version >= EtcdVersion(3, 6, 0):
        yield "--feature-gates=CompactHashCheck=true"
        yield "--watch-progress-notify-interval=5s"
        return
    if settings.version >= EtcdVersion(3, 5, 0):
        # kubeadm sets it too (kubernetes#111383): API servers need it for consistent watch caches.
        yield "--experimental-watch-progress-notify-interval=5s"
    if settings.version >= EtcdVersion(3, 5, 5):
        yield "--experimental-compact-hash-check-enabled=true"


def render_compose(topology: Topology, member: Member, template: str, initial_cluster: str = "") -> str:
    """The member's compose file, for the compose plugin and docker-compose 1.27 or newer.

    + initial_cluster: as in `etcd_flags`
    """
    settings = topology.settings
    pki = f"{settings.etcd_config_directory}/pki"
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(template).render(
        member=member,
        cluster=settings.cluster,
        image=settings.etcd_image,
        container=settings.etcd_container,
        command=etcd_flags(topology, member, initial_cluster),
        environment={
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": f"https://127.0.0.1:{settings.etcd_client_port}",
            "ETCDCTL_CACERT": f"{pki}/ca.crt",
            "ETCDCTL_CERT": f"{pki}/operator-client.crt",
            "ETCDCTL_KEY": f"{pki}/operator-client.key",
        },
        # The directory above the data: compose would make an absent bind source by itself, and
        # the restore renames directories inside it.
        data_directory=settings.etcd_data_directory,
        pki_directory=pki,
    )


def knows_external_alone(command: Iterable[str], topology: Topology) -> bool:
    """True where etcd was started with the external members as --initial-cluster, and no other."""
    values = [word.removeprefix(INITIAL_CLUSTER) for word in command if word.startswith(INITIAL_CLUSTER)]
    return [set(value.split(",")) for value in values] == [set(topology.initial_cluster.split(","))]
