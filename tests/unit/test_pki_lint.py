"""The lint finds what health checks do not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.pki_files import (
    openssl,
    this_moment,
    topology,
)
from unstack.pki import Pair, Pki, ensure_pki, lint, summary

OPENSSL_LEAF = {
    "no client auth": ("IP:10.9.0.1,DNS:etcd-1", "serverAuth"),
    "no address": ("DNS:etcd-1", "serverAuth,clientAuth"),
    "wrong address": ("IP:10.9.0.2,DNS:etcd-1", "serverAuth,clientAuth"),
}


def test_lint_finds_nothing_in_a_fresh_pki(made: tuple[Path, Pki]) -> None:
    assert lint(made[1], topology(pki={"hosts": ["*.x.org", "etcd.lan"]}), this_moment()) == []


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
    pki = ensure_pki(pki_directory, topology(), this_moment())
    later = this_moment() + timedelta(minutes=1)
    problems = lint(replace(pki, peer={**pki.peer, "etcd-1": bad}), topology(), later)
    assert [problem.host for problem in problems] == ["etcd-1"]
    assert ("SANs" if "address" in fault else "extended key usages") in problems[0].found


def test_lint_finds_everything_in_one_pass(pki_directory: Path, made: tuple[Path, Pki]) -> None:
    pki = ensure_pki(pki_directory, topology(), this_moment())
    one, two = pki.server["etcd-1"], pki.server["etcd-2"]
    crossed = replace(
        pki,
        server={"etcd-1": two, "etcd-2": Pair(two.certificate_pem, one.private_key_pem)},
        apiserver_client=pki.peer["etcd-1"],
        operator_client=Pair("garbage", "garbage"),
    )
    found = {(problem.host, problem.found) for problem in lint(crossed, topology(), this_moment())}
    text = str(found)
    assert ("etcd-2", "members/etcd-2/server.crt: a key of another certificate") in found
    assert ("etcd-3", "members/etcd-3/server.crt: no certificate") in found
    assert "members/etcd-1/server.crt: SANs 10.9.0.2" in text
    assert "apiserver-client.crt: other extended key usages" in text
    assert "operator-client.crt: not a PEM certificate" in text


def test_lint_finds_another_authority_and_expiry(pki_directory: Path, tmp_path: Path) -> None:
    pki = ensure_pki(pki_directory, topology(), this_moment())
    other = ensure_pki(tmp_path / "other", topology(), this_moment())
    mixed = lint(replace(pki, ca_certificate_pem=other.ca_certificate_pem), topology(), this_moment())
    assert len(mixed) == 8
    assert all("not of this CA" in problem.found for problem in mixed)
    expired = lint(pki, topology(), this_moment() + timedelta(days=360))
    assert len(expired) == 8
    assert all("end of validity" in problem.found for problem in expired)
    assert lint(replace(pki, ca_certificate_pem="x"), topology(), this_moment())[0].host == "control node"


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
