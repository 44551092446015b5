"""Whether external members could join the stacked cluster: its CA, connections both ways, their disks."""

from __future__ import annotations

from urllib.parse import urlsplit

from pyinfra import inventory
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.hosts import parsed
from unstack.facts.stacked_authority import stacked_authorities
from unstack.joining import Connection, JoiningReadings, read_connections, read_sync_seconds
from unstack.preflight import Cluster
from unstack.problems import Problem, ProblemsError
from unstack.run import on_each
from unstack.scripts import script
from unstack.stacked_authority import SNAPSHOT_INSTEAD

CONNECTION_SECONDS = 2


class TriedConnections(FactBase[tuple[Connection, ...] | None]):
    """What came of a host's TCP connections to some "address:port", or None where it could not try."""

    def command(self, peers: tuple[str, ...]) -> StringCommand:
        return script("try-connections", str(CONNECTION_SECONDS), *peers)

    def process(self, output: list[str]) -> tuple[Connection, ...]:
        return parsed(read_connections, output)


class TriedDisk(FactBase[tuple[float, ...] | None]):
    """How long each small write took until it was on the disk of a directory, in seconds; None if unread."""

    def command(self, directory: str) -> StringCommand:
        return script("try-disk", directory)

    def process(self, output: list[str]) -> tuple[float, ...]:
        return parsed(read_sync_seconds, output)


def read_joining(cluster: Cluster) -> JoiningReadings:
    """All hosts at once; what can't be read is a problem of its own."""
    problems: list[Problem] = []
    try:
        authorities = stacked_authorities(cluster.masters)
    except ProblemsError as error:
        authorities = {}
        problems += error.problems
    except OperationError as error:
        authorities = {}
        problems.append(Problem("cluster", str(error), "the stacked etcd's CA", SNAPSHOT_INSTEAD))
    topology = cluster.topology
    old, new = _stacked_peers(cluster), [_peer(member.peer_url) for member in topology.members]
    peers = dict.fromkeys(cluster.masters, new) | dict.fromkeys(cluster.etcd_hosts, old)
    tried = on_each(map(inventory.get_host, peers), lambda one: _connections(one, tuple(peers[one.name])))
    disks = on_each(
        map(inventory.get_host, cluster.etcd_hosts),
        lambda one: one.get_fact(
            TriedDisk, directory=topology.settings.etcd_data_directory, _ignore_errors=True
        ),
    )
    for what, found in (("connections that can't be tried", tried), ("a disk that can't be measured", disks)):
        problems += [
            Problem(name, what, "an answer", f"see the error above this line, or {SNAPSHOT_INSTEAD}")
            for name, one in found.items()
            if one is None
        ]
    return JoiningReadings(
        authorities=authorities,
        connections={name: one for name, one in tried.items() if one is not None},
        sync_seconds={name: one for name, one in disks.items() if one is not None},
        problems=tuple(problems),
    )


def _connections(one: Host, peers: tuple[str, ...]) -> tuple[Connection, ...] | None:
    found: tuple[Connection, ...] | None = one.get_fact(TriedConnections, peers=peers, _ignore_errors=True)
    return found


def _stacked_peers(cluster: Cluster) -> list[str]:
    """Where the stacked members' peers reach them, by their own list."""
    listed = cluster.membership.listed if cluster.membership is not None else ()
    return sorted({_peer(url) for member in listed for url in member.peer_urls})


def _peer(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}"
