"""Put a CA that others have made into the PKI, to sign by it."""

from __future__ import annotations

from pathlib import Path

from unstack.pki import certificates
from unstack.pki import directory as pki_directory
from unstack.pki.certificates import Pair


def own_pair(certificate_text: str, key_text: str) -> Pair:
    """The CA as this PKI keeps it. Raises ValueError where it is damaged, or the key is not its own."""
    certificate, key = certificates.load_certificate(certificate_text), certificates.load_key(key_text)
    if certificate.public_key() != key.public_key():
        raise ValueError("the key of another certificate")
    return Pair(certificates.certificate_pem(certificate), certificates.key_pem(key))


def has_authority(directory: Path, certificate_pem: str) -> bool:
    """Whether this CA, whole, is the one in `directory`."""
    key = pki_directory.read(directory / "ca.key")
    return key is not None and has_certificate(directory, certificate_pem)


def has_certificate(directory: Path, certificate_pem: str) -> bool:
    """Whether this CA, with or without its key, is the one in `directory`."""
    return _certificate(directory) == certificate_pem


def adopt(directory: Path, authority: Pair, aside: Path) -> bool:
    """Have `authority` be the CA in `directory`. True where another one, with all it signed, was moved aside.

    Only where no host uses that one. A run killed in between leaves a certificate without its key, which
    the next one completes: by a key alone `ensure_pki` would make another CA, and of this key others
    have copies.
    """
    moved = False
    with pki_directory.locked(directory):
        pki_directory.remove_remains(directory)
        if _holds_another(directory, authority):
            pki_directory.move(directory, aside)
            moved = True
    with pki_directory.locked(directory):
        pki_directory.write_certificate(directory / "ca", authority.certificate_pem)
        pki_directory.write_key(directory / "ca", authority.private_key_pem)
    return moved


def _holds_another(directory: Path, authority: Pair) -> bool:
    certificate = _certificate(directory)
    if certificate is not None:
        return certificate != authority.certificate_pem
    own_keys = (None, authority.private_key_pem)
    return pki_directory.holds_leaves(directory) or pki_directory.read(directory / "ca.key") not in own_keys


def _certificate(directory: Path) -> str | None:
    """The certificate there without words around it, as it is where it can't be read, None where none is."""
    text = pki_directory.read(directory / "ca.crt")
    try:
        return text and certificates.certificate_pem(certificates.load_certificate(text))
    except ValueError:
        return text
