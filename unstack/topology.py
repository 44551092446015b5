"""The cluster that is moved: masters, external members and settings, validated once and frozen.

Plain Python: it knows nothing of pyinfra, so that every refusal is testable without a host.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from unstack.problems import Problem, ProblemsError
from unstack.settings import Settings

MASTERS = "masters"
ETCD = "etcd"


@dataclass(frozen=True)
class HostInput:
    """A host of the inventory: name, groups, and data without pyinfra's own keys."""

    name: str
    groups: frozenset[str]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Master:
    """A control plane host. `name` is the inventory's, not its hostname or node name."""

    name: str
    address: str


@dataclass(frozen=True)
class Member:
    """A member of the external cluster; `name` is both the inventory name and etcd's --name."""

    name: str
    address: str
    client_url: str
    peer_url: str


@dataclass(frozen=True)
class Topology:
    """Everything a run needs to know that does not come from the hosts."""

    masters: tuple[Master, ...]
    members: tuple[Member, ...]
    settings: Settings

    @property
    def client_urls(self) -> tuple[str, ...]:
        """The external cluster's client URLs in inventory order."""
        return tuple(member.client_url for member in self.members)

    @property
    def initial_cluster(self) -> str:
        """etcd's --initial-cluster: "name=peer URL" of every member, separated by commas."""
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def apart(self) -> Topology:
        """The same for a rehearsal: all that it puts on a master lies in one directory of its own."""
        apart = {"state_directory": self.settings.rehearsal_directory}
        return replace(self, settings=self.settings.model_copy(update=apart))

    def master(self, name: str) -> Master | None:
        """The master of that inventory name, or None."""
        return next((master for master in self.masters if master.name == name), None)

    def member(self, name: str) -> Member | None:
        """The external member of that inventory name, or None."""
        return next((member for member in self.members if member.name == name), None)


def _url_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _settings(hosts: Iterable[HostInput]) -> Iterator[Settings | Problem]:
    """The one set of settings that all hosts agree on, or the problems in the way of it.

    A host sees the settings of its own groups only, so the pieces are put together here; two
    hosts that disagree on a setting would be migrated into two different clusters.
    """
    merged: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for host in hosts:
        for key, value in host.data.items():
            if key == "address":
                continue
            if key in merged and merged[key] != value:
                yield Problem(
                    host.name,
                    f"{key} = {value!r}",
                    f"{merged[key]!r} as on {owner[key]}",
                    f"give {key} one value for all hosts in group_data",
                )
            merged.setdefault(key, value)
            owner.setdefault(key, host.name)
    try:
        yield Settings(**merged)
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]) or "settings"
            if item["type"] == "extra_forbidden":
                yield Problem(
                    "group_data",
                    f"the unknown key {name}",
                    "only settings named in group_data/*.py as shipped",
                    f"correct or remove {name}",
                )
            elif item["type"] == "missing":
                yield Problem("group_data", f"no {name}", "a value", f"set {name} in group_data")
            else:
                found = f"{name} = {item['input']!r}" if item["loc"] else item["msg"]
                yield Problem("group_data", found, item["msg"], f"correct {name}")


def _addresses(hosts: Iterable[HostInput]) -> Iterator[tuple[str, str] | Problem]:
    for host in hosts:
        address = host.data.get("address")
        try:
            # str(): an int would be read as a 32 bit address.
            parsed = ipaddress.ip_address(str(address))
            # Every host would take these for itself, and "%eth0" means nothing elsewhere.
            if parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast:
                raise ValueError
            if "%" in str(parsed):
                raise ValueError
            yield host.name, str(parsed)
        except ValueError:
            found = "no address" if address is None else f"address {address!r}"
            yield Problem(
                host.name,
                found,
                "the IP address by which the other hosts reach it",
                f"set address for {host.name} in the inventory",
            )


def _duplicates(addresses: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    pairs = tuple(addresses)
    for address, count in Counter(address for _, address in pairs).items():
        if count > 1:
            names = [name for name, its in pairs if its == address]
            for name in names:
                others = ", ".join(other for other in names if other != name)
                yield Problem(
                    name,
                    f"address {address}, which {others} has too",
                    "an address of its own for each host",
                    "correct the addresses in the inventory",
                )


def _membership(masters: tuple[HostInput, ...], etcd: tuple[HostInput, ...]) -> Iterator[Problem]:
    if not masters:
        yield Problem("inventory", "no host in masters", "every control plane host", "fill the group masters")
    if len(etcd) % 2 == 0:
        yield Problem(
            "inventory",
            f"{len(etcd)} hosts in etcd",
            "an odd number of members: an even one tolerates no more failures than one fewer",
            "use 3, 5 or 7 etcd hosts",
        )
    for host in etcd:
        if MASTERS in host.groups:
            yield Problem(
                host.name,
                "the host in both masters and etcd",
                "etcd hosts that are not masters: that is what external means",
                f"take {host.name} out of one of the groups",
            )


def read_topology(hosts: Iterable[HostInput]) -> Topology:
    """Validate an inventory as a whole.

    Raises ProblemsError with every problem found, in one pass.
    """
    everyone = tuple(hosts)
    masters = tuple(host for host in everyone if MASTERS in host.groups)
    etcd = tuple(host for host in everyone if ETCD in host.groups)
    involved = tuple(host for host in everyone if host.groups & {MASTERS, ETCD})
    problems = list(_membership(masters, etcd))

    names = Counter(host.name for host in everyone)
    problems += [
        Problem(name, f"the name {count} times", "each name once", "correct the inventory")
        for name, count in names.items()
        if count > 1
    ]

    addresses: dict[str, str] = {}
    for found in _addresses(involved):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            addresses[found[0]] = found[1]
    problems += _duplicates(addresses.items())

    settings: Settings | None = None
    for outcome in _settings(involved):
        if isinstance(outcome, Problem):
            problems.append(outcome)
        else:
            settings = outcome
    if settings is not None:
        problems += _settings_against_hosts(settings, len(etcd))
    if problems or settings is None:
        raise ProblemsError(problems)

    return Topology(
        masters=tuple(Master(host.name, addresses[host.name]) for host in masters),
        members=tuple(_member(host.name, addresses[host.name], settings) for host in etcd),
        settings=settings,
    )


def _member(name: str, address: str, settings: Settings) -> Member:
    host = _url_host(address)
    return Member(
        name=name,
        address=address,
        client_url=f"https://{host}:{settings.etcd_client_port}",
        peer_url=f"https://{host}:{settings.etcd_peer_port}",
    )


def _settings_against_hosts(settings: Settings, members: int) -> Iterator[Problem]:
    if members < 3 and members % 2 == 1 and not settings.allow_fewer_than_three_members:
        yield Problem(
            "inventory",
            f"{members} host in etcd",
            "at least 3: fewer tolerate no failure",
            "add etcd hosts, or set allow_fewer_than_three_members = True",
        )
    if settings.version.is_inconsistent and not settings.allow_inconsistent_etcd:
        yield Problem(
            "group_data",
            f"etcd_image {settings.etcd_image} (etcd {settings.version})",
            "etcd 3.5.3 or newer: 3.5.0 to 3.5.2 can lose committed writes (etcd#13766)",
            "choose a newer image, or set allow_inconsistent_etcd = True",
        )
