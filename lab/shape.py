"""The shape of a lab: which machines, with which names and addresses.

Names are deliberately not uniform. One master and one etcd host are called differently by the
inventory and by themselves, as on many real clusters, so nothing can get away with guessing.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

PREFIX = "unstack-lab"
NETWORK = PREFIX
POD_SUBNET = ipaddress.ip_network("10.244.0.0/16")
SERVICE_SUBNET = ipaddress.ip_network("10.96.0.0/12")
API_PORT = 6443

_CANDIDATE_SUBNETS = ("172.30.0.0/24", "172.29.0.0/24", "10.213.0.0/24", "192.168.213.0/24")
_HOSTNAMES = {"master-2": "cp-b", "etcd-2": "storage-b"}
_FIRST_HOST = {"master": 11, "worker": 51, "etcd": 31}
_LOAD_BALANCER_HOST = 5
_SIZE_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


@dataclass(frozen=True)
class Node:
    """One machine: what the inventory calls it, and what it calls itself."""

    name: str
    ip: str
    hostname: str
    node_name: str
    container: str
    role: str
    pod_subnet: str | None = None


@dataclass(frozen=True)
class Shape:
    """How many machines of each role, and about how large the database is (bytes)."""

    masters: int = 3
    etcd: int = 3
    workers: int = 0
    database_bytes: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.masters <= 7 or not 0 <= self.etcd <= 7 or not 0 <= self.workers <= 9:
            raise LabError("a lab has 1 to 7 masters, 0 to 7 etcd hosts and 0 to 9 workers")


@dataclass(frozen=True)
class Plan:
    """The machines of a shape in one subnet."""

    subnet: str
    load_balancer_ip: str
    masters: tuple[Node, ...]
    workers: tuple[Node, ...]
    etcd: tuple[Node, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All machines but the load balancer."""
        return self.masters + self.workers + self.etcd

    @property
    def load_balancer(self) -> str:
        """Address and port of the load balancer."""
        return f"{self.load_balancer_ip}:{API_PORT}"


def plan(shape: Shape, subnet: str) -> Plan:
    """Names and addresses for every machine of this shape."""
    pod_subnets = itertools.count(1)

    def machines(role: str, count: int) -> tuple[Node, ...]:
        return tuple(
            _node(role, index, subnet, None if role == "etcd" else next(pod_subnets))
            for index in range(count)
        )

    return Plan(
        subnet=subnet,
        load_balancer_ip=str(ipaddress.ip_network(subnet)[_LOAD_BALANCER_HOST]),
        masters=machines("master", shape.masters),
        workers=machines("worker", shape.workers),
        etcd=machines("etcd", shape.etcd),
    )


def spare_master(plan: Plan) -> Node:
    """One master more than the plan has, for a machine that is made and removed again."""
    return _node("master", len(plan.masters), plan.subnet, len(plan.masters + plan.workers) + 1)


def _node(role: str, index: int, subnet: str, pod_subnet: int | None) -> Node:
    """The machine of this index, from 0, of its role; `pod_subnet` is the number of its pods' subnet."""
    name = f"{role}-{index + 1}"
    hostname = _HOSTNAMES.get(name, name)
    return Node(
        name=name,
        ip=str(ipaddress.ip_network(subnet)[_FIRST_HOST[role] + index]),
        hostname=hostname,
        node_name=hostname,
        container=f"{PREFIX}-{name}",
        role=role,
        pod_subnet=None if pod_subnet is None else _pod_subnet(pod_subnet),
    )


def _pod_subnet(number: int) -> str:
    return str(next(itertools.islice(POD_SUBNET.subnets(new_prefix=24), number, None)))


def free_subnet(taken: list[str]) -> str:
    """The first candidate that overlaps neither `taken` nor a route of this machine."""
    used = [ipaddress.ip_network(text) for text in [*taken, *_routes()]]
    for candidate in _CANDIDATE_SUBNETS:
        network = ipaddress.ip_network(candidate)
        if not any(network.overlaps(other) for other in used if other.version == network.version):
            return candidate
    raise LabError(f"no free subnet: all of {', '.join(_CANDIDATE_SUBNETS)} are in use")


def parse_size(text: str) -> int:
    """Bytes of a size such as ``20MB``; units are powers of 1000."""
    match = re.fullmatch(r"(\d+)\s*([KMG]B)?", text.strip().upper())
    if match is None:
        raise LabError(f"not a size: {text!r} (write 20MB, 500MB, 2GB)")
    return int(match[1]) * _SIZE_UNITS[match[2] or ""]


def _routes() -> list[str]:
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address = ipaddress.ip_address(int.from_bytes(bytes.fromhex(fields[1]), "little"))
        mask = ipaddress.ip_address(int.from_bytes(bytes.fromhex(fields[7]), "little"))
        if int(mask) != 0:
            found.append(f"{address}/{mask}")
    return found
