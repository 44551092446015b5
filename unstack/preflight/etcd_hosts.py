"""Rules about the external members' hosts, and about all hosts' clocks."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from unstack.preflight.cluster import Cluster
from unstack.problems import Problem


def clocks_agree(cluster: Cluster) -> Iterator[Problem]:
    """Certificates, leases and elections compare clocks; the median of all hosts is the measure."""
    limit = cluster.topology.settings.maximum_clock_skew_seconds
    offsets = {name: one.clock_offset_seconds for name, one in cluster.masters.items()}
    offsets |= {name: one.clock_offset_seconds for name, one in cluster.etcd_hosts.items()}
    if not offsets:
        return
    middle = median(offsets.values())
    for name, offset in offsets.items():
        if abs(offset - middle) > limit:
            yield Problem(
                name,
                f"a clock {abs(offset - middle):.1f} s {'ahead' if offset > middle else 'behind'}",
                f"at most {limit:g} s from the other hosts' clocks",
                "synchronise the clock (chrony or systemd-timesyncd)",
            )


def engine_and_compose_work(cluster: Cluster) -> Iterator[Problem]:
    """The members run by compose."""
    setting = cluster.topology.settings.compose_command
    for name, one in cluster.etcd_hosts.items():
        if one.engine is None:
            yield Problem(
                name,
                "no container engine that answers `docker version`",
                "a running Docker engine",
                "install and start Docker on this host",
            )
        if (setting == "auto" and not one.compose) or (setting != "auto" and setting not in one.compose):
            wanted = "docker compose or docker-compose" if setting == "auto" else setting
            yield Problem(
                name,
                f"no {wanted}",
                "a compose command",
                "install the compose plugin, or set compose_command to what the host has",
            )


def ports_are_free(cluster: Cluster) -> Iterator[Problem]:
    """Nobody else listens where the member will."""
    for name, one in cluster.etcd_hosts.items():
        if one.container == "running" and one.container_is_ours and one.restored is not None:
            continue  # our own member of this or an unfinished run
        for port in sorted(one.listening):
            yield Problem(
                name,
                f"port {port} in use",
                "a free port for the external member",
                f"stop what listens on {port} (`ss -tlnp`), or choose another port in group_data",
            )


def container_name_is_free(cluster: Cluster) -> Iterator[Problem]:
    """A container of that name which compose did not make from our directory is somebody's."""
    settings = cluster.topology.settings
    for name, one in cluster.etcd_hosts.items():
        if one.container is not None and not one.container_is_ours:
            yield Problem(
                name,
                f"a container named {settings.etcd_container} ({one.container}) that is not ours",
                f"none, or the one that compose made from {settings.etcd_config_directory}",
                "remove it if nobody needs it, or set etcd_container to another name",
            )


def data_is_ours(cluster: Cluster) -> Iterator[Problem]:
    """Data that this tool did not restore, or restored for another cluster, is never touched."""
    settings = cluster.topology.settings
    directory = settings.etcd_data_directory
    for name, one in cluster.etcd_hosts.items():
        if one.has_data and one.restored is None:
            found = f"a data directory that is not empty: {directory}/data"
        elif one.foreign:
            found = f"in {directory}: {', '.join(one.foreign)}"
        elif one.has_data and one.restored is not None and one.restored.cluster != settings.cluster:
            # Its members may be in use: a restore would stop them and take their place.
            yield Problem(
                name,
                f"data in {directory} of the cluster {one.restored.cluster}, which this tool moved here",
                f"none, or data of {settings.cluster}",
                "correct the inventory: give every cluster etcd hosts or a data directory of its own",
            )
            continue
        else:
            continue
        yield Problem(
            name,
            found,
            "an empty directory, or one that this tool restored",
            "move it away if nobody needs it, or set etcd_data_directory to another place",
        )


def disk_is_large_enough(cluster: Cluster) -> Iterator[Problem]:
    """Snapshot, restored data and what an unfinished run left must fit side by side."""
    settings = cluster.topology.settings
    # A new WAL alone takes 64 MB (etcd preallocates it).
    wanted = int(cluster.database_bytes * settings.disk_factor) + 128 * 2**20
    for name, one in cluster.etcd_hosts.items():
        # One that has joined has its data already.
        if one.free_bytes < wanted and not (one.has_data and one.restored and one.restored.has_joined):
            yield _too_little(name, one.free_bytes, wanted, settings.etcd_data_directory)
    # The snapshot is taken on the first master, and on no other.
    first = cluster.topology.masters[0].name
    needed = cluster.database_bytes + 64 * 2**20
    if first in cluster.masters and cluster.masters[first].free_bytes < needed:
        yield _too_little(first, cluster.masters[first].free_bytes, needed, settings.state_directory)


def _too_little(name: str, free: int, wanted: int, directory: str) -> Problem:
    return Problem(
        name,
        f"{free / 2**20:.0f} MiB free for {directory}",
        f"at least {wanted / 2**20:.0f} MiB",
        "free some space, or use a larger disk",
    )
