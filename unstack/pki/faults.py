"""What is wrong with a certificate. No health check of etcd would tell.

A member whose peer certificate lacks a usage or its own address leaves the cluster "healthy", with
connections refused in one direction only, until the next election needs the other one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from unstack.pki.certificates import (
    Pair,
    PrivateKey,
    Wanted,
    alternative_names,
    extension,
    load_certificate,
    load_key,
    texts,
)
from unstack.settings import KeySettings


class Fault(NamedTuple):
    """What is wrong with a certificate, and what was expected."""

    found: str
    expected: str


def authority_faults(certificate: x509.Certificate, minimum_days: int, now: datetime) -> Iterator[Fault]:
    """Why `certificate` cannot be the CA at `now`. Nothing is yielded for a good one."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield Fault("a certificate that is no CA", "basicConstraints CA:true")
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield Fault("a key usage without certificate sign", "a CA that may sign certificates")
    if not _issued_by(certificate, certificate):
        # etcd and kube-apiserver are given this certificate alone and must end the chain in it.
        yield Fault("a certificate signed by another CA", "a self-signed (root) CA")
    yield from _validity_faults(certificate, minimum_days, now)


def leaf_faults(pair: Pair, wanted: Wanted, authority: x509.Certificate, now: datetime) -> Iterator[Fault]:
    """Everything in which `pair` differs from `wanted` or is not to be trusted at `now`."""
    try:
        certificate = load_certificate(pair.certificate_pem)
        key = load_key(pair.private_key_pem)
    except ValueError as error:
        yield Fault(str(error), "a readable certificate and its key")
        return
    if certificate.public_key() != key.public_key():
        yield Fault("a key of another certificate", "the certificate's own key")
    if not _is(key, wanted.key):
        yield Fault("a key of another kind", f"{wanted.key.algo} of {wanted.key.size} bits")
    if not _issued_by(certificate, authority):
        yield Fault(
            f"the issuer {certificate.issuer.rfc4514_string()}, or a signature not of this CA",
            f"a chain to {authority.subject.rfc4514_string()}",
        )
    if certificate.subject != wanted.subject:
        yield Fault(f"subject {certificate.subject.rfc4514_string()}", wanted.subject.rfc4514_string())
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or constraints.ca:
        yield Fault("a leaf that may act as a CA", "basicConstraints CA:false")
    names = alternative_names(certificate)
    if set(names) != set(wanted.alternative_names):
        yield Fault(
            f"SANs {', '.join(texts(names)) or 'none'}",
            ", ".join(texts(wanted.alternative_names)) or "no SANs",
        )
    usages = ", ".join(wanted.profile.usages)
    if extension(certificate, x509.KeyUsage) != wanted.key_usage:
        yield Fault("other key usages", f"those of its profile: {usages}")
    extended = extension(certificate, x509.ExtendedKeyUsage)
    if extended is None or set(extended) != set(wanted.extended_key_usage):
        yield Fault("other extended key usages", f"those of its profile: {usages}")
    yield from _validity_faults(certificate, wanted.minimum_days, now)


def _validity_faults(certificate: x509.Certificate, minimum_days: int, now: datetime) -> Iterator[Fault]:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begin > now:
        yield Fault(f"validity from {begin:%Y-%m-%d %H:%M} UTC", f"validity at {now:%Y-%m-%d %H:%M}")
    if end - now <= timedelta(days=minimum_days):
        yield Fault(
            f"an end of validity at {end:%Y-%m-%d %H:%M} UTC",
            f"more than {minimum_days} days left at {now:%Y-%m-%d %H:%M}",
        )


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is(key: PrivateKey, settings: KeySettings) -> bool:
    algorithm = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"
    return (algorithm, key.key_size) == (settings.algo, settings.size)
