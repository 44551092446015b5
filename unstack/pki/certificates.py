"""The external cluster's certificates: made with cfssl's fields, and read.

Plain X.509: nothing here knows of files, hosts or clusters. `contents` says which certificates
there are, `directory` where they are kept.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from unstack.settings import AuthoritySettings, KeySettings, ProfileSettings, SubjectSettings

# A certificate begins this long before it is made: a host whose clock is behind the control node's
# would otherwise refuse it as "not yet valid". Five minutes is cfssl's own default, and far above
# the skew that preflight lets pass.
BACKDATE = timedelta(minutes=5)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_CURVES: dict[int, ec.EllipticCurve] = {
    256: ec.SECP256R1(),
    384: ec.SECP384R1(),
    521: ec.SECP521R1(),
}
_NIST_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_EXTENDED_USAGES = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
}
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key (PKCS#8), both PEM. Printing it never shows the key."""

    certificate_pem: str
    private_key_pem: str = field(repr=False)


@dataclass(frozen=True)
class Authority:
    """The CA while it signs. It never leaves the control node, so no Pki holds one."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


@dataclass(frozen=True)
class Wanted:
    """What one leaf certificate should say."""

    common_name: str
    names: SubjectSettings
    alternative_names: tuple[x509.GeneralName, ...]
    profile: ProfileSettings
    key: KeySettings
    minimum_days: int  # fewer days left than this, and it counts as expired

    @property
    def subject(self) -> x509.Name:
        """The subject: the parts that are set in the order of cfssl, then CN."""
        return _subject(self.names, self.common_name)

    @property
    def key_usage(self) -> x509.KeyUsage:
        """The profile's usages that are key usages."""
        usages = set(self.profile.usages)
        return _key_usage(
            signature=bool(usages & {"signing", "digital signature"}),
            # RFC 8813, 3: an ECDSA key MUST NOT claim keyEncipherment, which only RSA can do.
            encipherment="key encipherment" in usages and self.key.algo == "rsa",
            agreement="key agreement" in usages,
        )

    @property
    def extended_key_usage(self) -> x509.ExtendedKeyUsage:
        """The profile's usages that are extended key usages."""
        usages = self.profile.usages
        return x509.ExtendedKeyUsage([oid for usage, oid in _EXTENDED_USAGES.items() if usage in usages])


def alternative_name(text: str) -> x509.GeneralName:
    """An IP address as an IP SAN, any other name as a DNS SAN.

    Raises ValueError, saying why, for a name that no TLS client would ever match. Go and OpenSSL
    take "*" only as a whole leftmost label (RFC 6125, 6.4.3): `kubernetes-*` matches nothing.
    """
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    labels = text.split(".")
    if labels[0] == "*" and len(labels) > 1:
        labels = labels[1:]
    if any("*" in label for label in labels):
        raise ValueError('"*" is a wildcard only as the whole leftmost label, as in *.example.org')
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("it is neither an IP address nor a DNS name (no port, no scheme, ASCII)")
    if labels[-1].isdigit():
        raise ValueError("it looks like an IP address but is none")
    return x509.DNSName(text)


def extension(
    certificate: x509.Certificate, kind: type[x509.extensions.ExtensionTypeVar]
) -> x509.extensions.ExtensionTypeVar | None:
    """The certificate's extension of that kind, or None."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def alternative_names(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """The certificate's SANs in its order; empty where it has none."""
    return tuple(extension(certificate, x509.SubjectAlternativeName) or ())


def texts(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    """SANs as text: "10.0.0.1", "etcd-1"."""
    return tuple(str(name.value) for name in names)


def new_key(settings: KeySettings) -> PrivateKey:
    """A fresh private key of the configured algorithm and size."""
    if settings.algo == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=settings.size)
    return ec.generate_private_key(_CURVES[settings.size])


def new_authority(settings: AuthoritySettings, key: PrivateKey, now: datetime) -> Authority:
    """A self-signed CA certificate for `key`, valid from BACKDATE before `now`."""
    subject = _subject(settings.names, settings.CN)
    certificate = (
        _builder(subject, subject, key, now, now + timedelta(hours=settings.expiry_hours))
        # Path length 0: it signs leaves and nothing else, so a stolen leaf can never be a CA.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .sign(key, _hash(key))
    )
    return Authority(certificate, key)


def issue(authority: Authority, wanted: Wanted, now: datetime) -> Pair:
    """A new key and its certificate, valid from BACKDATE before `now`, never outliving the CA."""
    key = new_key(wanted.key)
    expiry = now + timedelta(hours=wanted.profile.expiry_hours)
    certificate = authority.certificate
    builder = (
        _builder(
            wanted.subject,
            certificate.subject,
            key,
            now,
            min(expiry, certificate.not_valid_after_utc),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(wanted.key_usage, critical=True)
        .add_extension(wanted.extended_key_usage, critical=False)
        .add_extension(_authority_key_identifier(certificate), critical=False)
    )
    if wanted.alternative_names:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted.alternative_names), critical=False)
    signed = builder.sign(authority.key, _hash(authority.key))
    return Pair(certificate_pem(signed), key_pem(key))


def certificate_pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM, and nothing else: a file may hold words around it."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: PrivateKey) -> str:
    """The key as unencrypted PEM in the form of its own algorithm (SEC 1, PKCS#1), as kubeadm writes keys.

    etcd and kube-apiserver read PKCS#8 too, but `kubeadm join` does not for ECDSA: it would refuse the
    API servers' key that `kubeadm init phase upload-certs` carries to a new master ("unknown data found
    in Secret entry", kubeadm's copycerts with client-go's ParsePublicKeysPEM).
    """
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()


def load_key(pem: str) -> PrivateKey:
    """Read a private key. Raises ValueError if damaged, encrypted or of another kind."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not an unencrypted PEM private key") from None
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    # Go's TLS knows these curves only.
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _NIST_CURVES):
        return key
    raise ValueError("neither an RSA key nor an ECDSA key on P-256, P-384 or P-521")


def load_certificate(pem: str) -> x509.Certificate:
    """Read the one certificate in `pem`. Raises ValueError if damaged, or if there are several."""
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
        for certificate in certificates:
            # Both are parsed on first use: damage in them must show here and not in a comparison.
            _ = certificate.extensions, certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise ValueError("not a PEM certificate") from None
    if len(certificates) != 1:
        raise ValueError(f"{len(certificates)} certificates in one file")
    return certificates[0]


def whole_seconds(now: datetime) -> datetime:
    """`now` in UTC without fractions, as certificates have it. Raises ValueError without a zone."""
    if now.tzinfo is None:
        raise ValueError("a time without a time zone")
    return now.astimezone(timezone.utc).replace(microsecond=0)


def _hash(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The hash as strong as the signing key: RFC 5656 pairs the curves so, and Go and cfssl too."""
    if isinstance(key, rsa.RSAPrivateKey) or key.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()


def _subject(names: SubjectSettings, common_name: str) -> x509.Name:
    parts = (
        (NameOID.COUNTRY_NAME, names.C),
        (NameOID.STATE_OR_PROVINCE_NAME, names.ST),
        (NameOID.LOCALITY_NAME, names.L),
        (NameOID.ORGANIZATION_NAME, names.O),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, names.OU),
        (NameOID.COMMON_NAME, common_name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _authority_key_identifier(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The CA's own identifier: another tool's CA need not have computed it as we would."""
    identifier = extension(authority, x509.SubjectKeyIdentifier)
    if identifier is not None:
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    key = authority.public_key()
    assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey))  # load_key saw to it
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _key_usage(
    *,
    signature: bool = False,
    encipherment: bool = False,
    agreement: bool = False,
    authority: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signature,
        key_encipherment=encipherment,
        key_agreement=agreement,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        encipher_only=False,
        decipher_only=False,
    )
