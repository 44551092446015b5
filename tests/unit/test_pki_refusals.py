"""What could not work, or would expose a key, is refused before anything is made."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.pki_files import (
    MEMBERS,
    extension,
    openssl,
    refusal,
    this_moment,
    topology,
)
from unstack.pki import Pki, ensure_pki, settings_problems


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
    pki = ensure_pki(tmp_path, topology(members), this_moment())
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
        ensure_pki(tmp_path / "other", topology(), this_moment())
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
    assert "an end of validity" in refusal(pki_directory, now=this_moment() + timedelta(days=3644))
    assert "validity from" in refusal(pki_directory, now=this_moment() - timedelta(hours=1))


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
