"""The certificates on the control node, as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate file. `path` is relative to the PKI's directory; the rest is empty if unreadable."""

    path: str
    common_name: str
    alternative_names: tuple[str, ...]
    not_after: str | None  # ISO 8601, UTC
    days_left: int | None  # whole days, negative once expired


def read_certificates(directory: Path, now: datetime) -> tuple[Certificate, ...]:
    """Every *.crt below the directory, in order of its path; none where there is no directory."""
    return tuple(_read(path, directory, now) for path in sorted(directory.rglob("*.crt")))


def _read(path: Path, directory: Path, now: datetime) -> Certificate:
    name = str(path.relative_to(directory))
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return Certificate(name, "", (), None, None)
    not_after = certificate.not_valid_after_utc
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        name,
        str(common[0].value) if common else "",
        _alternative_names(certificate),
        not_after.isoformat(),
        (not_after - now).days,
    )


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in names)
