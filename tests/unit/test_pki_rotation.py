"""A CA takes over from another: both trusted in between, and whatever kills it, it is gone on with."""

from __future__ import annotations

import contextlib
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.pki_files import (
    Killed,
    contents,
    kill_at,
    openssl,
    run_openssl,
    this_moment,
    topology,
    verifies,
)
from unstack.pki import (
    Rotation,
    ensure_next_authority,
    ensure_pki,
    lint,
    pems_on_hosts,
    read_summaries,
    retire,
    rotation_of,
    rotation_problems,
    signing_pem,
    switch,
    trusted_pem,
)
from unstack.problems import ProblemsError

LEAF = "members/etcd-1/peer"


def _trusts(pem: str, certificate: Path) -> bool:
    """Whether openssl takes a certificate with these CAs alone."""
    file = certificate.with_suffix(".trust")
    file.write_text(pem)
    try:
        return run_openssl("verify", "-x509_strict", "-CAfile", file, certificate).returncode == 0
    finally:
        file.unlink()


def test_both_are_trusted_until_the_old_one_is_retired(pki_directory: Path, tmp_path: Path) -> None:
    now, old = this_moment(), tmp_path / "old.crt"
    shutil.copy(pki_directory / f"{LEAF}.crt", old)
    alone = (pki_directory / "ca.crt").read_text()
    assert pems_on_hosts(pki_directory) == [alone, alone]

    ensure_next_authority(pki_directory, topology(), now)
    assert rotation_of(pki_directory) is Rotation.TRUSTING
    both = trusted_pem(pki_directory)
    assert pems_on_hosts(pki_directory) == [both, alone]
    assert both.count("BEGIN CERTIFICATE") == 2
    assert verifies(pki_directory, LEAF, "any"), "the old CA signs still"
    assert {"ca", "next/ca"} <= {one.name for one in read_summaries(pki_directory)}

    switch(pki_directory)
    assert rotation_of(pki_directory) is Rotation.SWITCHED
    assert trusted_pem(pki_directory) == both, "hosts need not be given them anew"
    pki = ensure_pki(pki_directory, topology(), now)
    assert lint(pki, topology(), now) == []
    new = pki_directory / f"{LEAF}.crt"
    assert _trusts(both, old)
    assert _trusts(both, new)
    only = signing_pem(pki_directory)
    assert only == pki.ca_certificate_pem
    assert pems_on_hosts(pki_directory) == [both, only]
    assert _trusts(only, new)
    assert not _trusts(only, old)

    retire(pki_directory, tmp_path / "previous-ca" / "run")
    assert rotation_of(pki_directory) is Rotation.NONE
    assert (tmp_path / "previous-ca/run/ca.crt").read_text() == alone
    assert (tmp_path / "previous-ca/run/ca.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "previous-ca").stat().st_mode & 0o077 == 0
    assert pems_on_hosts(pki_directory) == [only, only]
    assert ensure_pki(pki_directory, topology(), now) == pki


def test_a_second_call_keeps_the_new_ca(pki_directory: Path) -> None:
    ensure_next_authority(pki_directory, topology(), this_moment())
    before = contents(pki_directory)
    ensure_next_authority(pki_directory, topology(), this_moment())
    assert contents(pki_directory) == before


def test_goes_on_with_a_rotation_killed_at_any_step(tmp_path: Path) -> None:
    one = topology({"etcd-1": "10.9.0.1"}, allow_fewer_than_three_members=True)
    ensure_pki(tmp_path / "before", one, this_moment())
    old = (tmp_path / "before/ca.crt").read_text()

    def rotate(directory: Path) -> None:
        ensure_next_authority(directory, one, this_moment())
        switch(directory)
        ensure_pki(directory, one, this_moment())

    for step in range(400):
        directory = tmp_path / str(step) / "pki"
        shutil.copytree(tmp_path / "before", directory)
        killed = False
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            kill_at(patch, step)
            killed = True
            rotate(directory)
            killed = False
        assert old in trusted_pem(directory), f"killed at {step}"
        # Whoever comes next: the certificates in use are never refused, and the rotation is finished.
        ensure_pki(directory, one, this_moment())
        rotate(directory)
        pki = ensure_pki(directory, one, this_moment())
        assert lint(pki, one, this_moment()) == []
        assert rotation_of(directory) is Rotation.SWITCHED
        assert (directory / "previous/ca.crt").read_text() == old
        assert pki.ca_certificate_pem != old
        assert len(list(directory.rglob("*"))) == 15, "remains of the killed run"
        if not killed:
            break
    else:
        pytest.fail("never ran to the end")
    assert step > 20


def _refused(directory: Path, days: int = 0) -> str:
    before = contents(directory)
    with pytest.raises(ProblemsError) as caught:
        ensure_next_authority(directory, topology(), this_moment() + timedelta(days=days))
    assert contents(directory) == before
    return str(caught.value)


def test_an_expired_ca_is_refused_and_one_about_to_expire_is_not(pki_directory: Path) -> None:
    message = _refused(pki_directory, days=3651)
    assert "found " in message
    assert "an end of validity at " in message
    assert "nothing trusts an expired CA: move " in message
    assert "tasks/renew.py" in message
    with pytest.raises(ProblemsError):  # what would sign with it refuses already
        ensure_pki(pki_directory, topology(), this_moment() + timedelta(days=3646))
    ensure_next_authority(pki_directory, topology(), this_moment() + timedelta(days=3646))


def test_a_ca_of_another_key_an_unreadable_one_and_none_are_refused(pki_directory: Path) -> None:
    key = (pki_directory / "ca.key").read_bytes()
    shutil.copy(pki_directory / f"{LEAF}.key", pki_directory / "ca.key")
    assert "ca.key is not the key of ca.crt" in _refused(pki_directory)
    (pki_directory / "ca.key").write_bytes(key)
    (pki_directory / "ca.key").chmod(0o644)
    assert "others can use it" in _refused(pki_directory)
    (pki_directory / "ca.key").chmod(0o600)
    (pki_directory / "ca.crt").write_text("garbage")
    assert "not a PEM certificate" in _refused(pki_directory)
    (pki_directory / "ca.crt").unlink()
    assert "found no " in _refused(pki_directory)


def test_a_damaged_ca_is_refused_after_the_switch_too(pki_directory: Path) -> None:
    ensure_next_authority(pki_directory, topology(), this_moment())
    switch(pki_directory)
    assert rotation_problems(pki_directory, this_moment()) == []
    (pki_directory / "ca.crt").write_text("garbage")
    (problem,) = rotation_problems(pki_directory, this_moment())
    assert "not a PEM certificate" in problem.found


def test_a_lost_key_is_no_hindrance(pki_directory: Path) -> None:
    (pki_directory / "ca.key").unlink()
    ensure_next_authority(pki_directory, topology(), this_moment())
    switch(pki_directory)
    ensure_pki(pki_directory, topology(), this_moment())
    assert verifies(pki_directory, LEAF, "any")
    assert not (pki_directory / "previous/ca.key").exists()


def test_openssl_reads_both_cas_from_one_file(pki_directory: Path, tmp_path: Path) -> None:
    ensure_next_authority(pki_directory, topology(), this_moment())
    file = tmp_path / "both.pem"
    file.write_text(trusted_pem(pki_directory))
    listed = openssl("crl2pkcs7", "-nocrl", "-certfile", file, "-out", tmp_path / "p7")
    assert listed == ""
    assert openssl("pkcs7", "-in", tmp_path / "p7", "-print_certs", "-noout").count("subject=") == 2
