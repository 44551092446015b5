"""Make the PKI, or keep it: nothing that still holds is touched, and no CA is ever written over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from unstack.pki import certificates
from unstack.pki import directory as pki_directory
from unstack.pki.certificates import Authority, Pair, PrivateKey
from unstack.pki.contents import (
    APISERVER_CLIENT,
    CONTROL_NODE,
    OPERATOR_CLIENT,
    Pki,
    leaf_name,
    wanted_leaves,
)
from unstack.pki.faults import authority_faults, leaf_faults
from unstack.pki.rotation import NEXT, Rotation, finish_switch, rotation_of, rotation_problems
from unstack.pki.settings_problems import settings_problems
from unstack.problems import Problem, ProblemsError
from unstack.settings import Settings
from unstack.topology import Topology


def ensure_pki(directory: Path, topology: Topology, now: datetime, *, renew: bool = False) -> Pki:
    """Create what is missing in `directory`, make anew what no longer holds, keep the rest.

    A leaf is made anew when its SANs, subject, usages, key or issuer are not the wanted ones, or
    when it has no more than `minimum_certificate_days` left. A CA is never replaced: its settings
    (`pki.ca`) count when it is made, and a CA put there by hand, such as kubeadm's etcd CA, is used
    as it is. `now` has a time zone. With `renew` every leaf is made anew.

    Raises ProblemsError, having changed no certificate, if the settings cannot give a working
    PKI, if others can read a key, or if the CA is incomplete, unreadable, mismatched or about to
    expire; ValueError if `now` has no time zone; OSError if the directory cannot be read or
    written.
    """
    now = certificates.whole_seconds(now)
    problems = settings_problems(topology)
    if directory.exists():
        problems += pki_directory.exposure_problems(directory)
    if problems:
        raise ProblemsError(problems)
    with pki_directory.locked(directory):
        pki_directory.remove_remains(directory)
        finish_switch(directory)
        authority = _ensure_authority(directory, topology.settings, now)
        pairs: dict[str, Pair] = {}
        for leaf in wanted_leaves(topology):
            pair = pki_directory.read_pair(directory / leaf.name)
            # An RSA key takes up to seconds; in between whoever waits may be told.
            time.sleep(0)
            if renew or pair is None or any(leaf_faults(pair, leaf.wanted, authority.certificate, now)):
                pair = certificates.issue(authority, leaf.wanted, now)
                pki_directory.write_pair(directory / leaf.name, pair)
            pairs[leaf.name] = pair
    return Pki(
        ca_certificate_pem=certificates.certificate_pem(authority.certificate),
        server=_of_members(topology, pairs, "server"),
        peer=_of_members(topology, pairs, "peer"),
        apiserver_client=pairs[APISERVER_CLIENT],
        operator_client=pairs[OPERATOR_CLIENT],
    )


def ensure_next_authority(directory: Path, topology: Topology, now: datetime) -> None:
    """Make the CA that will take over from the present one, or keep the one that was made for it.

    Nothing is signed by it yet. Where a rotation has come further, nothing is made. Raises
    ProblemsError, having changed no certificate, where the settings or the directory don't allow it.
    """
    now = certificates.whole_seconds(now)
    problems = settings_problems(topology) + rotation_problems(directory, now)
    if problems:
        raise ProblemsError(problems)
    with pki_directory.locked(directory):
        pki_directory.remove_remains(directory)
        finish_switch(directory)
        if rotation_of(directory) is not Rotation.SWITCHED:
            _ensure_authority(directory / NEXT, topology.settings, now)


def _of_members(topology: Topology, pairs: Mapping[str, Pair], use: str) -> Mapping[str, Pair]:
    return MappingProxyType({member.name: pairs[leaf_name(member.name, use)] for member in topology.members})


def find_authority(directory: Path, settings: Settings, now: datetime) -> Authority | None:
    """The stored CA; None where there has never been one. Changes nothing. Raises ProblemsError."""
    certificate_text = pki_directory.read(directory / "ca.crt")
    key_text = pki_directory.read(directory / "ca.key")
    if certificate_text is not None and key_text is not None:
        return _stored_authority(directory, certificate_text, key_text, settings, now)
    if certificate_text is not None or pki_directory.holds_leaves(directory):
        missing = "ca.key" if key_text is None else "ca.crt"
        raise ProblemsError([_lost(directory, f"no {missing} beside the certificates it made")])
    if key_text is not None:
        _orphaned_key(directory, key_text)
    return None


def _orphaned_key(directory: Path, text: str) -> PrivateKey:
    """A run was killed between the two files: no certificate was made with this key yet."""
    try:
        return certificates.load_key(text)
    except ValueError as error:
        raise ProblemsError([_lost(directory, f"ca.key: {error}")]) from None


def _ensure_authority(directory: Path, settings: Settings, now: datetime) -> Authority:
    """The stored CA, or a new one where there has never been one. Raises ProblemsError."""
    stored = find_authority(directory, settings, now)
    if stored is not None:
        return stored
    base = directory / "ca"
    key_text = pki_directory.read(directory / "ca.key")
    if key_text is None:
        key = certificates.new_key(settings.pki.ca.key)
        pki_directory.write_key(base, certificates.key_pem(key))
    else:
        key = _orphaned_key(directory, key_text)
    authority = certificates.new_authority(settings.pki.ca, key, now)
    pki_directory.write_certificate(base, certificates.certificate_pem(authority.certificate))
    return authority


def _stored_authority(
    directory: Path, certificate_text: str, key_text: str, settings: Settings, now: datetime
) -> Authority:
    problems = []
    try:
        certificate = certificates.load_certificate(certificate_text)
    except ValueError as error:
        problems.append(_lost(directory, f"ca.crt: {error}"))
    try:
        key = certificates.load_key(key_text)
    except ValueError as error:
        problems.append(_lost(directory, f"ca.key: {error}"))
    if problems:
        raise ProblemsError(problems)
    if certificate.public_key() != key.public_key():
        problems.append(_lost(directory, "ca.key is not the key of ca.crt"))
    problems += [
        Problem(
            CONTROL_NODE,
            f"{directory / 'ca.crt'}: {fault.found}",
            fault.expected,
            "put a valid CA there, or, where the cluster is migrated, run tasks/renew_ca.py, which brings a"
            " new one",
        )
        for fault in authority_faults(certificate, settings.minimum_certificate_days, now)
    ]
    if problems:
        raise ProblemsError(problems)
    return Authority(certificate, key)


def _lost(directory: Path, found: str) -> Problem:
    return Problem(
        CONTROL_NODE,
        f"{directory}: {found}",
        "the CA's certificate and its own key: hosts trust this CA, so it is never replaced",
        "restore ca.crt and ca.key from a backup; only if no host uses this CA, move the"
        " directory aside and a new one is made",
    )
