"""One CA that takes over from another, on the control node: which one signs, and which are trusted.

`next/` holds the new CA while the old one still signs, `previous/` the old one once the new one does.
As long as either is there both are trusted. Which of them is there is all that a killed rotation has
to know; every change of it is made of single renames.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path

from cryptography import x509

from unstack.pki import directory as pki_directory
from unstack.pki.certificates import certificate_pem, load_certificate, load_key
from unstack.pki.contents import CONTROL_NODE
from unstack.pki.faults import authority_faults
from unstack.problems import Problem

NEXT = "next"
PREVIOUS = "previous"
_FILES = ("ca.key", "ca.crt")


class Rotation(Enum):
    """How far the directory's CA has been replaced."""

    NONE = "one CA signs and is trusted"
    TRUSTING = "the old CA signs, the new one is trusted too"
    SWITCHED = "the new CA signs, the old one is trusted still"


def rotation_of(directory: Path) -> Rotation:
    """How far a rotation has come, by the files of the PKI's directory."""
    if (directory / PREVIOUS / "ca.crt").exists():
        return Rotation.SWITCHED
    return Rotation.TRUSTING if (directory / NEXT / "ca.crt").exists() else Rotation.NONE


def trusted_pem(directory: Path) -> str:
    """Every CA that is trusted now, the older first: the same bytes before and after the switch.

    Raises ValueError where one of them is unreadable.
    """
    found = {certificate_pem(one): one for one in _authorities(directory)}
    return "".join(sorted(found, key=lambda pem: (found[pem].not_valid_before_utc, pem)))


def signing_pem(directory: Path) -> str:
    """The CA that signs once the rotation is over, alone. Raises ValueError where it is unreadable."""
    return _pem(directory / NEXT if (directory / NEXT / "ca.crt").exists() else directory)


def pems_on_hosts(directory: Path) -> list[str]:
    """What a host's CA file may hold as far as the rotation has come. Raises ValueError as the others."""
    switched = rotation_of(directory) is Rotation.SWITCHED
    return [trusted_pem(directory), signing_pem(directory) if switched else _pem(directory)]


def _pem(directory: Path) -> str:
    return certificate_pem(load_certificate(pki_directory.read(directory / "ca.crt") or ""))


def _authorities(directory: Path) -> Iterator[x509.Certificate]:
    for place in (directory / PREVIOUS, directory, directory / NEXT):
        text = pki_directory.read(place / "ca.crt")
        if text is not None:
            yield load_certificate(text)


def rotation_problems(directory: Path, now: datetime) -> list[Problem]:
    """Why the CA in this directory can't be replaced, or its replacement not gone on with.

    Its key may be lost: a rotation needs the certificate alone, and is the cure. `now` has a time zone.
    """
    problems = pki_directory.exposure_problems(directory) if directory.exists() else []
    if rotation_of(directory) is not Rotation.SWITCHED:
        problems += _old_authority_problems(directory, now)
    if not problems:
        try:
            pems_on_hosts(directory)
        except ValueError as error:
            problems.append(_unusable(f"{directory}: {error}"))
    return problems


def _old_authority_problems(directory: Path, now: datetime) -> Iterator[Problem]:
    path = directory / "ca.crt"
    text, key_text = pki_directory.read(path), pki_directory.read(directory / "ca.key")
    if text is None:
        yield _unusable(f"no {path}")
        return
    try:
        certificate = load_certificate(text)
        if key_text is not None and load_key(key_text).public_key() != certificate.public_key():
            raise ValueError("ca.key is not the key of ca.crt")
    except ValueError as error:
        yield _unusable(f"{directory}: {error}")
        return
    for fault in authority_faults(certificate, 0, now):
        yield Problem(
            CONTROL_NODE,
            f"{path}: {fault.found}",
            f"{fault.expected}: a new CA is brought by members that still trust each other",
            f"nothing trusts an expired CA: move {directory} aside, run tasks/renew.py --data new_ca=True,"
            " which makes a new one and brings it and its certificates to every host, then restart every"
            " member and every API server",
        )


def _unusable(found: str) -> Problem:
    return Problem(
        CONTROL_NODE,
        found,
        "the CA that the hosts trust, and its own key if any",
        "run it where that CA was made, or restore the directory from a backup",
    )


def switch(directory: Path) -> None:
    """Let the new CA sign from now on. Only where every host trusts it already."""
    with pki_directory.locked(directory):
        pki_directory.remove_remains(directory)
        if rotation_of(directory) is Rotation.TRUSTING:
            key, certificate = (pki_directory.read(directory / name) for name in _FILES)
            if key is not None:
                pki_directory.write_key(directory / PREVIOUS / "ca", key)
            # Once this one is there the rest follows, in whatever run.
            pki_directory.write_certificate(directory / PREVIOUS / "ca", certificate or "")
        finish_switch(directory)


def finish_switch(directory: Path) -> None:
    """Put what a killed switch has left in its place. Only while `directory` is locked."""
    if rotation_of(directory) is not Rotation.SWITCHED:
        return
    for name in _FILES:
        if (directory / NEXT / name).exists():
            pki_directory.move(directory / NEXT / name, directory / name)
    if (directory / NEXT).exists():
        (directory / NEXT).rmdir()


def retire(directory: Path, aside: Path) -> None:
    """End the rotation: the old CA is kept at `aside`, outside of the directory, and not trusted."""
    with pki_directory.locked(directory):
        pki_directory.move(directory / PREVIOUS, aside)
