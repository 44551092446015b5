"""Which certificates a topology asks for, and the set of them that is handed on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from unstack.pki.certificates import Pair, Wanted, alternative_name
from unstack.settings import ProfileSettings
from unstack.topology import Member, Topology

CONTROL_NODE = "control node"

# kubeadm's own name for this client. With etcd's authentication on, the CN is the etcd user, so
# another name would lock the API servers out of a restored cluster that has users.
API_SERVER_COMMON_NAME = "kube-apiserver-etcd-client"
OPERATOR_COMMON_NAME = "etcd-operator"

APISERVER_CLIENT = "apiserver-client"
OPERATOR_CLIENT = "operator-client"

_COMMON_NAME_LENGTH = 64  # X.520's ub-common-name
_CONNECTOR = re.compile(r"@[a-z]+/")


@dataclass(frozen=True)
class Pki:
    """All that the hosts need, by member name where each has its own. The CA's key is not in it."""

    ca_certificate_pem: str
    server: Mapping[str, Pair]
    peer: Mapping[str, Pair]
    apiserver_client: Pair
    operator_client: Pair

    def pairs(self) -> dict[str, Pair]:
        """Every pair by the name of its leaf, such as "members/etcd-1/peer"."""
        pairs = {}
        for member in dict.fromkeys((*self.server, *self.peer)):
            for use, by_member in (("server", self.server), ("peer", self.peer)):
                if member in by_member:
                    pairs[leaf_name(member, use)] = by_member[member]
        pairs[APISERVER_CLIENT] = self.apiserver_client
        pairs[OPERATOR_CLIENT] = self.operator_client
        return pairs


class Leaf(NamedTuple):
    """One leaf certificate that is wanted."""

    host: str  # whose certificate it is
    name: str  # its path below the directory, without suffix
    wanted: Wanted


def wanted_leaves(topology: Topology) -> Iterator[Leaf]:
    """Every leaf that the topology asks for, members first.

    Raises ValueError for a name that settings_problems refuses.
    """
    settings, pki = topology.settings, topology.settings.pki

    def wanted(common_name: str, profile: ProfileSettings, *names: str) -> Wanted:
        unique = dict.fromkeys(alternative_name(name) for name in names)
        days = settings.minimum_certificate_days
        return Wanted(common_name, pki.names, tuple(unique), profile, pki.key, days)

    for member in topology.members:
        name = host_name(member)
        common_name = name if len(name) <= _COMMON_NAME_LENGTH else name.partition(".")[0]
        # etcd 3.2 and newer compares a peer's certificate with the address it comes from, a client
        # the server's with the address it dialled, which on the host itself is 127.0.0.1.
        local = ("127.0.0.1", "localhost")
        server = wanted(common_name, pki.profiles.server, member.address, *local, name, *pki.hosts)
        peer = wanted(common_name, pki.profiles.peer, member.address, name)
        yield Leaf(member.name, leaf_name(member.name, "server"), server)
        yield Leaf(member.name, leaf_name(member.name, "peer"), peer)
    client = pki.profiles.client
    yield Leaf(CONTROL_NODE, APISERVER_CLIENT, wanted(API_SERVER_COMMON_NAME, client))
    yield Leaf(CONTROL_NODE, OPERATOR_CLIENT, wanted(OPERATOR_COMMON_NAME, client))


def host_name(member: Member) -> str:
    """The member's name without pyinfra's connector: "etcd-1" for "@docker/etcd-1"."""
    return _CONNECTOR.sub("", member.name, count=1) if member.name.startswith("@") else member.name


def leaf_name(member: str, use: str) -> str:
    """The path of a member's certificate below the PKI's directory; `use` is server or peer."""
    return f"members/{member}/{use}"
