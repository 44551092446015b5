"""The PKI, its effects read by openssl and by a TLS handshake, not by our own parser."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from unstack.pki import Pair, Pki, ensure_pki, lint, settings_problems, summary
from unstack.problems import ProblemsError
from unstack.topology import HostInput, Topology, read_topology

NOW = datetime.now(timezone.utc)
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
    return _openssl(*arguments, check=True).stdout


def _openssl(*arguments: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], check=check, capture_output=True, text=True)


def extension(certificate: Path, name: str) -> str:
    return openssl("x509", "-in", certificate, "-noout", "-ext", name)


def verifies(directory: Path, name: str, purpose: str, *more: str) -> bool:
    certificate = directory / f"{name}.crt"
    ca = directory / "ca.crt"
    return (
        _openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, *more, certificate).returncode
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


def refusal(directory: Path, of: Topology | None = None, now: datetime = NOW) -> str:
    """The message of the refusal, after which not a byte must have changed."""
    before = contents(directory)
    with pytest.raises(ProblemsError) as caught:
        ensure_pki(directory, of or topology(), now)
    assert changed(before, directory) == set()
    return str(caught.value)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pki]:
    directory = tmp_path_factory.mktemp("made") / ".unstack" / "prod" / "pki"
    return directory, ensure_pki(directory, topology(pki={"hosts": ["etcd.lan", "*.x.org"]}), NOW)


@pytest.fixture
def pki_directory(made: tuple[Path, Pki], tmp_path: Path) -> Path:
    """A PKI of `topology()` to damage."""
    directory = tmp_path / "pki"
    shutil.copytree(made[0], directory)
    ensure_pki(directory, topology(), NOW)
    return directory


@pytest.fixture
def umask_zero() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


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
    pki = ensure_pki(tmp_path / "pki", one, NOW)
    for name in ("ca", "members/etcd-1/server"):
        assert shown in openssl("pkey", "-in", tmp_path / f"pki/{name}.key", "-noout", "-text")
    assert verifies(tmp_path / "pki", "members/etcd-1/server", "sslserver", "-verify_ip", "fd00::1")
    assert pki.server["etcd-1"].private_key_pem.startswith("-----BEGIN PRIVATE KEY-----\n")
    usage = extension(tmp_path / "pki/apiserver-client.crt", "keyUsage")
    assert ("Key Encipherment" in usage) == (algo == "rsa")


def test_subject_holds_cfssls_names(tmp_path: Path) -> None:
    names = {"C": "CH", "ST": "Zürich", "L": "Uster", "O": "Example", "OU": "Ops"}
    ensure_pki(tmp_path, topology(pki={"names": names, "ca": {"CN": "my ca"}}), NOW)
    subject = openssl(
        "x509", "-in", tmp_path / "members/etcd-2/peer.crt", "-noout", "-subject", "-issuer",
        "-nameopt", "RFC2253,-esc_msb,utf8",
    )  # fmt: skip
    assert "CN=etcd-2,OU=Ops,O=Example,L=Uster,ST=Zürich,C=CH" in subject
    assert "CN=my ca" in subject


def test_bears_a_clock_that_is_behind_and_never_outlives_the_ca(tmp_path: Path) -> None:
    ensure_pki(tmp_path, topology(pki={"ca": {"expiry": "240h"}}), NOW)
    behind = str(int((NOW - timedelta(minutes=4)).timestamp()))
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
    ensure_pki(tmp_path, topology(), NOW)
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


def test_second_call_changes_nothing(pki_directory: Path) -> None:
    before = contents(pki_directory)
    first = ensure_pki(pki_directory, topology(), NOW)
    assert ensure_pki(pki_directory, topology(), NOW + timedelta(days=300)) == first
    assert changed(before, pki_directory) == set()


def test_a_new_member_leaves_the_others_alone(pki_directory: Path) -> None:
    before = contents(pki_directory)
    five = topology({**MEMBERS, "etcd-4": "10.9.0.4", "etcd-5": "10.9.0.5"})
    assert set(ensure_pki(pki_directory, five, NOW).peer) == {member.name for member in five.members}
    assert {name.split("/")[1] for name in changed(before, pki_directory)} == {"etcd-4", "etcd-5"}


def test_changed_address_remakes_that_members_pairs_only(pki_directory: Path) -> None:
    before = contents(pki_directory)
    ensure_pki(pki_directory, topology({**MEMBERS, "etcd-2": "10.9.0.22"}), NOW)
    expected = {f"members/etcd-2/{u}.{e}" for u in ("server", "peer") for e in ("crt", "key")}
    assert changed(before, pki_directory) == expected
    assert verifies(pki_directory, "members/etcd-2/peer", "any", "-verify_ip", "10.9.0.22")
    assert_every_certificate_has_its_key(pki_directory)


def test_remakes_a_leaf_about_to_expire(pki_directory: Path) -> None:
    before = contents(pki_directory)
    almost = NOW + timedelta(hours=8760) - timedelta(days=7)
    ensure_pki(pki_directory, topology(), almost - timedelta(seconds=2))
    assert changed(before, pki_directory) == set()
    ensure_pki(pki_directory, topology(), almost)
    assert len(changed(before, pki_directory)) == 16
    assert "ca.crt" not in changed(before, pki_directory)


@pytest.mark.parametrize(
    "damage",
    [
        lambda base: base.with_suffix(".key").unlink(),
        lambda base: base.with_suffix(".crt").unlink(),
        lambda base: base.with_suffix(".crt").write_text("garbage"),
        lambda base: base.with_suffix(".key").write_bytes(b"\xff\x00"),
        lambda base: shutil.copy(base.parents[1] / "etcd-2/peer.key", base.with_suffix(".key")),
    ],
    ids=["no key", "no certificate", "garbage certificate", "binary key", "key of another"],
)
def test_remakes_a_damaged_leaf_and_no_other(pki_directory: Path, damage: Any) -> None:
    before = contents(pki_directory)
    damage(pki_directory / "members/etcd-1/peer")
    ensure_pki(pki_directory, topology(), NOW)
    assert changed(before, pki_directory) == {"members/etcd-1/peer.crt", "members/etcd-1/peer.key"}
    assert_every_certificate_has_its_key(pki_directory)


def test_remakes_leaves_of_another_issuer_with_the_same_name(pki_directory: Path, tmp_path: Path) -> None:
    ensure_pki(tmp_path / "other", topology(), NOW)
    for name in ("ca.crt", "ca.key"):
        shutil.copy(tmp_path / "other" / name, pki_directory / name)
    ensure_pki(pki_directory, topology(), NOW)
    assert verifies(pki_directory, "members/etcd-1/peer", "sslserver")


def test_uses_a_ca_made_by_openssl_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ca.key").touch(mode=0o600)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kubeadm-ca",
            "-days", "3650", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")  # fmt: skip
    before = contents(tmp_path)
    pki = ensure_pki(tmp_path, topology(), NOW + timedelta(minutes=1))
    assert contents(tmp_path).items() >= before.items()
    assert verifies(tmp_path, "members/etcd-1/server", "sslserver", "-verify_ip", "10.9.0.1")
    assert lint(pki, topology(), NOW + timedelta(minutes=1)) == []


# --- killed half-way -----------------------------------------------------------------------


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


@pytest.mark.parametrize("state", ["empty", "complete"])
def test_continues_a_run_killed_at_any_step(tmp_path: Path, state: str) -> None:
    """Both a first run and one that makes leaves anew, killed twice at each step in turn."""
    one = topology({"etcd-1": "10.9.0.1"}, allow_fewer_than_three_members=True)
    moved = topology({"etcd-1": "10.9.0.8"}, allow_fewer_than_three_members=True)
    if state == "complete":
        ensure_pki(tmp_path / "before", one, NOW)
    for step in range(400):
        directory = tmp_path / str(step) / "pki"
        if state == "complete":
            shutil.copytree(tmp_path / "before", directory)
        authorities = set()
        finished = 0
        for _ in range(2):
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
                kill_at(patch, step)
                ensure_pki(directory, moved, NOW)
                finished += 1
            assert_no_half_pair(directory)
            if (directory / "ca.crt").exists():
                authorities.add((directory / "ca.key").read_bytes())
        pki = ensure_pki(directory, moved, NOW)
        authorities.add((directory / "ca.key").read_bytes())
        assert len(authorities) == 1
        assert lint(pki, moved, NOW) == []
        assert len(list(directory.rglob("*"))) == 12, "remains of the killed run"
        if finished == 2:  # already the first was not killed any more
            break
    else:
        pytest.fail("never ran to the end")
    assert step > 20


def test_unfinished_files_and_keys_are_private_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask_zero: None
) -> None:
    seen: set[tuple[str, int]] = set()

    def watching(real: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            result = real(*arguments, **keywords)
            for path in (tmp_path / "a").rglob("*"):
                mode = stat.S_IMODE(path.lstat().st_mode)
                if path.is_dir() or ".key" in path.name:
                    seen.add(("directory" if path.is_dir() else "key", mode))
            return result

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, watching(getattr(os, name)))
    directory = tmp_path / "a/b/pki"
    ensure_pki(directory, topology(), NOW)
    ensure_pki(directory, topology({**MEMBERS, "etcd-1": "10.9.0.9"}), NOW)
    assert seen == {("directory", 0o700), ("key", 0o600)}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


# --- refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("kubernetes-*", "whole leftmost label"),
        ("a.*.org", "whole leftmost label"),
        ("*", "whole leftmost label"),
        ("https://etcd.lan", "neither an IP address nor a DNS name"),
        ("etcd.lan:2379", "neither an IP address nor a DNS name"),
        ("10.0.0.300", "looks like an IP address"),
        ("10.0.0.0/24", "neither"),
        ("etcd.lan.", "neither"),
        ("zürich.ch", "neither"),
        ("", "neither"),
    ],
)
def test_refuses_a_name_that_nothing_would_match(tmp_path: Path, host: str, reason: str) -> None:
    message = refusal(tmp_path / "pki", topology(pki={"hosts": [host]}))
    assert reason in message
    assert repr(host) in message
    assert not (tmp_path / "pki").exists()


def test_refuses_partial_wildcard_and_short_validity_in_one_pass() -> None:
    wrong = topology(
        pki={
            "hosts": ["kubernetes-*", "*.ok.org"],
            "profiles": {
                "peer": {"usages": ["signing", "server auth"]},
                "client": {"usages": ["client auth"], "expiry": "168h"},
            },
        }
    )
    found = [problem.found for problem in settings_problems(wrong)]
    assert len(found) == 4
    assert any("kubernetes-*" in text for text in found)
    assert "pki.profiles.peer.usages without client auth" in found
    assert "pki.profiles.client.usages without signing" in found
    assert "pki.profiles.client.expiry = '168h'" in found


@pytest.mark.parametrize("name", ["../../tmp", "a,b", "a=b", "*.x.org", "a b"])
def test_refuses_a_member_name_that_is_no_host_name(tmp_path: Path, name: str) -> None:
    wrong = topology({**MEMBERS, name: "10.9.0.7", "etcd-5": "10.9.0.5"})
    assert f"{name}: found a name" in refusal(tmp_path / "pki", wrong)


def test_takes_the_host_from_a_connectors_name(tmp_path: Path) -> None:
    members = {f"@fake/{name}": address for name, address in MEMBERS.items()}
    pki = ensure_pki(tmp_path, topology(members), NOW)
    assert set(pki.server) == set(members)
    sans = extension(tmp_path / "members/@fake/etcd-1/server.crt", "subjectAltName")
    assert "DNS:etcd-1" in sans
    assert "@" not in sans


def test_refuses_keys_that_others_can_read(pki_directory: Path) -> None:
    (pki_directory / "ca.key").chmod(0o640)
    (pki_directory / "members/etcd-1/peer.key").chmod(0o604)
    message = refusal(pki_directory)
    assert f"chmod 600 {pki_directory}/ca.key" in message
    assert "peer.key with mode 0604" in message


def test_refuses_a_directory_that_others_can_write(pki_directory: Path) -> None:
    pki_directory.chmod(0o770)
    assert f"chmod 700 {pki_directory}" in refusal(pki_directory)


@pytest.mark.parametrize("name", ["ca.crt", "ca.key"])
@pytest.mark.parametrize("damage", ["lost", "garbage", "another's", "several"])
def test_never_replaces_a_damaged_ca(pki_directory: Path, tmp_path: Path, name: str, damage: str) -> None:
    path = pki_directory / name
    if damage == "lost":
        path.unlink()
    elif damage == "garbage":
        path.write_text("garbage")
    elif damage == "another's":
        ensure_pki(tmp_path / "other", topology(), NOW)
        shutil.copy(tmp_path / "other" / name, path)
    elif name == "ca.crt":
        path.write_bytes(path.read_bytes() * 2)
    else:
        openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    message = refusal(pki_directory)
    assert "restore ca.crt and ca.key from a backup" in message
    assert name in message


def test_never_makes_a_ca_beside_existing_leaves(pki_directory: Path) -> None:
    (pki_directory / "ca.crt").unlink()
    (pki_directory / "ca.key").unlink()
    assert "no ca.key beside the certificates it made" in refusal(pki_directory)


def test_refuses_an_expired_ca(pki_directory: Path) -> None:
    assert "an end of validity" in refusal(pki_directory, now=NOW + timedelta(days=3644))
    assert "validity from" in refusal(pki_directory, now=NOW - timedelta(hours=1))


def test_refuses_a_leaf_or_an_intermediate_as_ca(made: tuple[Path, Pki], tmp_path: Path) -> None:
    for suffix in ("crt", "key"):
        shutil.copy(made[0] / f"members/etcd-1/peer.{suffix}", tmp_path / f"ca.{suffix}")
    message = refusal(tmp_path)
    assert "a certificate that is no CA" in message
    assert "signed by another CA" in message


def test_refuses_a_time_without_zone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        ensure_pki(tmp_path, topology(), datetime(2026, 1, 1))


def test_key_is_in_no_representation(made: tuple[Path, Pki]) -> None:
    _, pki = made
    for text in (repr(pki), str(pki), repr(pki.server["etcd-1"]), f"{pki.operator_client}"):
        assert "PRIVATE" not in text
        assert pki.server["etcd-1"].private_key_pem.splitlines()[1] not in text


def test_ca_key_is_not_handed_on(made: tuple[Path, Pki]) -> None:
    directory, pki = made
    secret = (directory / "ca.key").read_text().splitlines()[1]
    assert secret not in str([pair.private_key_pem for pair in pki.pairs().values()])
    assert pki.ca_certificate_pem == (directory / "ca.crt").read_text()


# --- linted --------------------------------------------------------------------------------

OPENSSL_LEAF = {
    "no client auth": ("IP:10.9.0.1,DNS:etcd-1", "serverAuth"),
    "no address": ("DNS:etcd-1", "serverAuth,clientAuth"),
    "wrong address": ("IP:10.9.0.2,DNS:etcd-1", "serverAuth,clientAuth"),
}


def test_lint_finds_nothing_in_a_fresh_pki(made: tuple[Path, Pki]) -> None:
    assert lint(made[1], topology(pki={"hosts": ["*.x.org", "etcd.lan"]}), NOW) == []


@pytest.mark.parametrize("fault", OPENSSL_LEAF)
def test_lint_finds_peers_that_health_checks_do_not(pki_directory: Path, tmp_path: Path, fault: str) -> None:
    sans, usages = OPENSSL_LEAF[fault]
    base = tmp_path / "bad"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{base}.key")
    openssl("req", "-new", "-key", f"{base}.key", "-subj", "/CN=etcd-1", "-out", f"{base}.csr")
    (tmp_path / "ext").write_text(
        f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        f"extendedKeyUsage={usages}\nsubjectAltName={sans}\n"
    )
    openssl("x509", "-req", "-in", f"{base}.csr", "-CA", pki_directory / "ca.crt", "-CAkey",
            pki_directory / "ca.key", "-CAcreateserial", "-CAserial", tmp_path / "serial",
            "-days", "90", "-extfile", tmp_path / "ext", "-out", f"{base}.crt")  # fmt: skip
    bad = Pair(Path(f"{base}.crt").read_text(), Path(f"{base}.key").read_text())
    pki = ensure_pki(pki_directory, topology(), NOW)
    later = NOW + timedelta(minutes=1)
    problems = lint(replace(pki, peer={**pki.peer, "etcd-1": bad}), topology(), later)
    assert [problem.host for problem in problems] == ["etcd-1"]
    assert ("SANs" if "address" in fault else "extended key usages") in problems[0].found


def test_lint_finds_everything_in_one_pass(pki_directory: Path, made: tuple[Path, Pki]) -> None:
    pki = ensure_pki(pki_directory, topology(), NOW)
    one, two = pki.server["etcd-1"], pki.server["etcd-2"]
    crossed = replace(
        pki,
        server={"etcd-1": two, "etcd-2": Pair(two.certificate_pem, one.private_key_pem)},
        apiserver_client=pki.peer["etcd-1"],
        operator_client=Pair("garbage", "garbage"),
    )
    found = {(problem.host, problem.found) for problem in lint(crossed, topology(), NOW)}
    text = str(found)
    assert ("etcd-2", "members/etcd-2/server.crt: a key of another certificate") in found
    assert ("etcd-3", "members/etcd-3/server.crt: no certificate") in found
    assert "members/etcd-1/server.crt: SANs 10.9.0.2" in text
    assert "apiserver-client.crt: other extended key usages" in text
    assert "operator-client.crt: not a PEM certificate" in text


def test_lint_finds_another_authority_and_expiry(pki_directory: Path, tmp_path: Path) -> None:
    pki = ensure_pki(pki_directory, topology(), NOW)
    other = ensure_pki(tmp_path / "other", topology(), NOW)
    mixed = lint(replace(pki, ca_certificate_pem=other.ca_certificate_pem), topology(), NOW)
    assert len(mixed) == 8
    assert all("not of this CA" in problem.found for problem in mixed)
    expired = lint(pki, topology(), NOW + timedelta(days=360))
    assert len(expired) == 8
    assert all("end of validity" in problem.found for problem in expired)
    assert lint(replace(pki, ca_certificate_pem="x"), topology(), NOW)[0].host == "control node"


def test_summary_agrees_with_openssl(made: tuple[Path, Pki]) -> None:
    directory, pki = made
    rows = summary(pki)
    assert [row.name for row in rows][:3] == ["ca", "members/etcd-1/server", "members/etcd-1/peer"]
    assert len(rows) == 9
    for row in rows:
        end = openssl("x509", "-in", directory / f"{row.name}.crt", "-noout", "-enddate")
        assert f"{row.not_after:%b %e %H:%M:%S %Y} GMT" in end
    assert rows[2].alternative_names == ("10.9.0.1", "etcd-1")
    assert rows[2].subject == "CN=etcd-1"
