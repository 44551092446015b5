"""A PKI to look at, and openssl to look with."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from unstack.pki import ensure_pki
from unstack.problems import ProblemsError
from unstack.topology import HostInput, Topology, read_topology


def this_moment() -> datetime:
    """Not a constant: a long session's unit tests run many minutes after they were collected."""
    return datetime.now(timezone.utc)


MEMBERS = {"etcd-1": "10.9.0.1", "etcd-2": "10.9.0.2", "etcd-3": "10.9.0.3"}
BOTH = ("signing", "key encipherment", "server auth", "client auth")


def topology(members: dict[str, str] | None = None, **settings: Any) -> Topology:
    """A topology of one master and `members` (name: address), with `settings` over the least."""
    data = {"cluster": "prod", "etcd_image": "etcd:v3.5.30", **settings}
    hosts = [HostInput("m1", frozenset({"masters"}), {**data, "address": "10.9.1.1"})]
    hosts += [
        HostInput(name, frozenset({"etcd"}), {**data, "address": address})
        for name, address in (members or MEMBERS).items()
    ]
    return read_topology(hosts)


def openssl(*arguments: str | Path) -> str:
    """What openssl prints; fails the test where openssl does."""
    return run_openssl(*arguments, check=True).stdout


def run_openssl(*arguments: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], check=check, capture_output=True, text=True)


def extension(certificate: Path, name: str) -> str:
    return openssl("x509", "-in", certificate, "-noout", "-ext", name)


def verifies(directory: Path, name: str, purpose: str, *more: str) -> bool:
    certificate = directory / f"{name}.crt"
    ca = directory / "ca.crt"
    return (
        run_openssl(
            "verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, *more, certificate
        ).returncode
        == 0
    )


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in directory.rglob("*")
        if path.is_file()
    }


def changed(before: dict[str, tuple[bytes, int]], directory: Path) -> set[str]:
    after = contents(directory)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def assert_every_certificate_has_its_key(directory: Path) -> None:
    for certificate in directory.rglob("*.crt"):
        key = certificate.with_name(certificate.name[: -len("crt")] + "key")
        of_certificate = openssl("x509", "-in", certificate, "-noout", "-pubkey")
        assert of_certificate == openssl("pkey", "-in", key, "-pubout"), certificate


def assert_no_half_pair(directory: Path) -> None:
    """The same without openssl, for hundreds of states. A CA's or leaf's key may be alone."""
    for certificate in directory.rglob("*.crt"):
        key = load_pem_private_key(certificate.with_suffix(".key").read_bytes(), None)
        own = load_pem_x509_certificate(certificate.read_bytes()).public_key()
        assert own == key.public_key(), certificate


def refusal(directory: Path, of: Topology | None = None, now: datetime | None = None) -> str:
    """The message of the refusal, after which not a byte must have changed."""
    before = contents(directory)
    with pytest.raises(ProblemsError) as caught:
        ensure_pki(directory, of or topology(), now or this_moment())
    assert changed(before, directory) == set()
    return str(caught.value)


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` may see it."""


STEPS = ("open", "replace", "fsync", "unlink", "mkdir")


def kill_at(patch: pytest.MonkeyPatch, step: int) -> None:
    """Let the process die at the `step`th change to the file system."""
    remaining = iter(range(step))

    def dying(real: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if next(remaining, None) is None:
                raise Killed
            return real(*arguments, **keywords)

        return call

    for name in STEPS:
        patch.setattr(os, name, dying(getattr(os, name)))
