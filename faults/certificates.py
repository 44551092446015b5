"""A peer certificate that looks right and is not: signed by the cluster's CA, for another address."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from faults.errors import FaultError


def pair_for(authority: Path, name: str, address: str) -> tuple[bytes, bytes]:
    """Certificate and key (PEM), valid for a day, whose only SAN is `address`.

    + authority: the directory with the CA's ca.crt and ca.key

    Raises FaultError if there is no CA.
    """
    try:
        issuer = x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes())
        issuer_key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    except (OSError, ValueError) as error:
        raise FaultError(f"{authority}: no CA to sign with: {error}") from error
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise FaultError(f"{authority}: the CA's key is neither ECDSA nor RSA")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
