"""What in the settings and the names cannot give a working PKI, found before a file is written."""

from __future__ import annotations

from collections.abc import Iterator

from unstack.pki.certificates import alternative_name
from unstack.pki.contents import host_name
from unstack.problems import Problem
from unstack.settings import Expiring, ProfileSettings, Settings
from unstack.topology import Topology


def settings_problems(topology: Topology) -> list[Problem]:
    """What in the settings and names cannot give a working PKI; reads no file."""
    settings = topology.settings
    return [
        *_name_problems(topology),
        *_profile_problems("server", settings.pki.profiles.server, "server auth", "client auth"),
        *_profile_problems("peer", settings.pki.profiles.peer, "server auth", "client auth"),
        *_profile_problems("client", settings.pki.profiles.client, "client auth"),
        *_expiry_problems(settings),
    ]


def _name_problems(topology: Topology) -> Iterator[Problem]:
    for host in topology.settings.pki.hosts:
        try:
            alternative_name(host)
        except ValueError as error:
            yield Problem(
                "group_data",
                f"{host!r} in pki.hosts: {error}",
                "IP addresses, DNS names, or *.domain",
                "list every name and address by itself in pki.hosts",
            )
    for member in topology.members:
        try:
            if "*" in member.name:
                raise ValueError("a host has no wildcard name")
            alternative_name(host_name(member))
        except ValueError as error:
            yield Problem(
                member.name,
                f"a name that no certificate can carry: {error}",
                "a DNS name or an IP address",
                "rename the host in the inventory",
            )


def _profile_problems(name: str, profile: ProfileSettings, *extended: str) -> Iterator[Problem]:
    missing = [usage for usage in extended if usage not in profile.usages]
    if not {"signing", "digital signature"} & set(profile.usages):
        missing.append("signing")  # TLS 1.3 proves every key by a signature
    if missing:
        yield Problem(
            "group_data",
            f"pki.profiles.{name}.usages without {', '.join(missing)}",
            f"signing, {', '.join(extended)}: etcd would seem healthy and refuse connections",
            f"add {', '.join(missing)} to pki.profiles.{name}.usages",
        )


def _expiry_problems(settings: Settings) -> Iterator[Problem]:
    profiles = settings.pki.profiles
    validities: dict[str, Expiring] = {
        "ca": settings.pki.ca,
        "profiles.server": profiles.server,
        "profiles.peer": profiles.peer,
        "profiles.client": profiles.client,
    }
    for name, validity in validities.items():
        if validity.expiry_hours <= 24 * settings.minimum_certificate_days:
            yield Problem(
                "group_data",
                f"pki.{name}.expiry = {validity.expiry!r}",
                f"more than minimum_certificate_days, {settings.minimum_certificate_days} days",
                f"raise pki.{name}.expiry: such a certificate counts as expired at once",
            )
