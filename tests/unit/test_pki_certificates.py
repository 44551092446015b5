"""The certificates are what etcd and its clients need, as openssl reads them."""

from __future__ import annotations

import contextlib
import re
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.pki_files import (
    MEMBERS,
    extension,
    openssl,
    this_moment,
    topology,
    verifies,
)
from unstack.pki import Pki, ensure_pki


@pytest.mark.parametrize("name", [f"members/{m}/{u}" for m in MEMBERS for u in ("server", "peer")])
def test_member_certificates_serve_both_ends(made: tuple[Path, Pki], name: str) -> None:
    directory, _ = made
    address = MEMBERS[name.split("/")[1]]
    for purpose in ("sslserver", "sslclient"):
        assert verifies(directory, name, purpose, "-verify_ip", address)
        assert not verifies(directory, name, purpose, "-verify_ip", "10.9.0.99")


@pytest.mark.parametrize("name", ["apiserver-client", "operator-client"])
def test_client_certificates_cannot_serve(made: tuple[Path, Pki], name: str) -> None:
    assert verifies(made[0], name, "sslclient")
    assert not verifies(made[0], name, "sslserver")


def test_server_answers_to_all_its_names_and_peer_to_its_own(made: tuple[Path, Pki]) -> None:
    for name in ("etcd-1", "localhost", "etcd.lan", "any.x.org"):
        assert verifies(made[0], "members/etcd-1/server", "sslserver", "-verify_hostname", name)
    assert verifies(made[0], "members/etcd-1/server", "sslserver", "-verify_ip", "127.0.0.1")
    peer = extension(made[0] / "members/etcd-1/peer.crt", "subjectAltName")
    assert sorted(re.findall(r"(?:DNS|IP Address):([^,\s]+)", peer)) == ["10.9.0.1", "etcd-1"]


def test_authority_is_a_root_that_signs_leaves_only(made: tuple[Path, Pki]) -> None:
    text = openssl("x509", "-in", made[0] / "ca.crt", "-noout", "-text")
    assert re.search(r"Basic Constraints: critical\s+CA:TRUE, pathlen:0\n", text)
    assert re.search(r"Key Usage: critical\s+Certificate Sign, CRL Sign\n", text)
    assert "Subject Key Identifier" in text
    assert "CN = etcd-ca" in text


def test_leaf_extensions_are_the_profiles(made: tuple[Path, Pki]) -> None:
    text = openssl("x509", "-in", made[0] / "members/etcd-1/peer.crt", "-noout", "-text")
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE\n", text)
    assert re.search(r"Key Usage: critical\s+Digital Signature\n", text)  # RFC 8813: ECDSA
    assert re.search(r"Extended Key Usage: *\s+TLS Web Server Auth.*, TLS Web Client Auth", text)
    identifier = re.search(r"Authority Key Identifier: *\s+(?:keyid:)?(\S+)", text)
    ca = extension(made[0] / "ca.crt", "subjectKeyIdentifier")
    assert identifier is not None
    assert identifier[1] in ca


def test_serials_are_random(made: tuple[Path, Pki]) -> None:
    serials = {openssl("x509", "-in", path, "-noout", "-serial") for path in made[0].rglob("*.crt")}
    assert len(serials) == 9
    assert min(len(serial) for serial in serials) > 30


def test_api_server_client_has_kubeadms_name(made: tuple[Path, Pki]) -> None:
    subject = openssl("x509", "-in", made[0] / "apiserver-client.crt", "-noout", "-subject")
    assert "CN = kube-apiserver-etcd-client" in subject


@pytest.mark.parametrize(
    ("algo", "size", "shown"),
    [("ecdsa", 384, "secp384r1"), ("ecdsa", 521, "secp521r1"), ("rsa", 2048, "2048 bit")],
)
def test_makes_every_kind_of_key(tmp_path: Path, algo: str, size: int, shown: str) -> None:
    key = {"algo": algo, "size": size}
    one = topology({"etcd-1": "fd00::1"}, allow_fewer_than_three_members=True,
                   pki={"key": key, "ca": {"key": key}})  # fmt: skip
    pki = ensure_pki(tmp_path / "pki", one, this_moment())
    for name in ("ca", "members/etcd-1/server"):
        assert shown in openssl("pkey", "-in", tmp_path / f"pki/{name}.key", "-noout", "-text")
    assert verifies(tmp_path / "pki", "members/etcd-1/server", "sslserver", "-verify_ip", "fd00::1")
    # kubeadm does not carry a PKCS#8 key of ECDSA to a new master.
    form = "RSA" if algo == "rsa" else "EC"
    assert pki.server["etcd-1"].private_key_pem.startswith(f"-----BEGIN {form} PRIVATE KEY-----\n")
    usage = extension(tmp_path / "pki/apiserver-client.crt", "keyUsage")
    assert ("Key Encipherment" in usage) == (algo == "rsa")


def test_subject_holds_cfssls_names(tmp_path: Path) -> None:
    names = {"C": "CH", "ST": "Zürich", "L": "Uster", "O": "Example", "OU": "Ops"}
    ensure_pki(tmp_path, topology(pki={"names": names, "ca": {"CN": "my ca"}}), this_moment())
    subject = openssl(
        "x509", "-in", tmp_path / "members/etcd-2/peer.crt", "-noout", "-subject", "-issuer",
        "-nameopt", "RFC2253,-esc_msb,utf8",
    )  # fmt: skip
    assert "CN=etcd-2,OU=Ops,O=Example,L=Uster,ST=Zürich,C=CH" in subject
    assert "CN=my ca" in subject


def test_bears_a_clock_that_is_behind_and_never_outlives_the_ca(tmp_path: Path) -> None:
    ensure_pki(tmp_path, topology(pki={"ca": {"expiry": "240h"}}), this_moment())
    behind = str(int((this_moment() - timedelta(minutes=4)).timestamp()))
    leaf = "members/etcd-1/server"
    assert verifies(tmp_path, leaf, "sslserver", "-attime", behind)
    ends = {
        openssl("x509", "-in", tmp_path / f"{name}.crt", "-noout", "-enddate")
        for name in (leaf, "apiserver-client", "ca")
    }
    assert len(ends) == 1


def test_handshake_accepts_own_clients_and_no_others(made: tuple[Path, Pki], tmp_path: Path) -> None:
    directory, _ = made
    for client in ("apiserver-client", "operator-client", "members/etcd-2/peer"):
        assert _handshake(directory, directory / client, "10.9.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        _handshake(directory, directory / "apiserver-client", "10.9.0.2")
    ensure_pki(tmp_path, topology(), this_moment())
    with pytest.raises(ssl.SSLError):
        _handshake(directory, tmp_path / "apiserver-client", "10.9.0.1")


def _handshake(directory: Path, client: Path, address: str) -> bool:
    ca = directory / "ca.crt"
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context(cafile=str(ca))
    for context, pair in (
        (server_context, directory / "members/etcd-1/server"),
        (client_context, client),
    ):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(f"{pair}.crt", f"{pair}.key")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_context.wrap_bio(to_client, to_server, server_hostname=address),
        server_context.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[1].getpeercert() is not None


# --- kept, and made anew -------------------------------------------------------------------
