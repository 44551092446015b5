"""SSH keys: one for the person, one for each machine, kept as long as the lab lives."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from lab.paths import STATE
from lab.shape import Node, Plan

SSH_USER = "ops"
SSH_KEY = STATE / "id_ed25519"
KNOWN_HOSTS = STATE / "known_hosts"
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"


def write(plan: Plan) -> None:
    """Make the keys that are missing, and the known_hosts file of exactly these machines."""
    _ensure(SSH_KEY)
    lines = []
    for node in plan.nodes:
        _ensure(_host_key(node))
        lines.append(f"{node.ip} {_public(_host_key(node))}\n")
    KNOWN_HOSTS.write_text("".join(lines))


def files(node: Node) -> dict[str, tuple[bytes, int]]:
    """The files (path -> content, mode) that make a machine known and open to the person."""
    private = _host_key(node)
    _ensure(private)  # that of a machine which is made later than the lab
    return {
        _HOST_KEY: (private.read_bytes(), 0o600),
        f"{_HOST_KEY}.pub": (_public(private).encode() + b"\n", 0o644),
        f"/home/{SSH_USER}/.ssh/authorized_keys": (_public(SSH_KEY).encode() + b"\n", 0o644),
    }


def owner() -> str:
    """What tells this checkout's lab from another's: the person's public key."""
    return _public(SSH_KEY)


def _host_key(node: Node) -> Path:
    return STATE / "host-keys" / node.name


def _ensure(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    # Private from its first moment on, and never half a key.
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.rename(path)


def _public(path: Path) -> str:
    key = load_ssh_private_key(path.read_bytes(), password=None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
