"""The stacked etcd's CA: which one it is, when it can sign, and how it comes into the PKI."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import ETCD, etcd_host
from tests.unit.pki_files import Killed, contents, kill_at, openssl, this_moment, topology, verifies
from tests.unit.scripts import run_here
from unstack.manifest import ManifestError, read_etcd
from unstack.observations import only, parse_report
from unstack.operations import adopt_ca
from unstack.pki import Pair, adopt, ensure_pki, has_authority, lint, own_pair
from unstack.placement import Phase
from unstack.problems import ProblemsError
from unstack.stacked_authority import StackedAuthority, authority_path, authority_problems, read_authority
from unstack.strategy import Strategy

PATH = "/etc/kubernetes/pki/etcd/ca.crt"


@pytest.fixture(scope="module")
def kubeadms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA as kubeadm makes it: RSA, made by openssl here."""
    directory = tmp_path_factory.mktemp("kubeadm")
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=etcd-ca", "-days", "3650")
    usage = ("-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign")
    openssl(*request, *usage, "-keyout", directory / "ca.key", "-out", directory / "ca.crt")
    return directory


@pytest.fixture(scope="module")
def authority(kubeadms: Path) -> Pair:
    return own_pair((kubeadms / "ca.crt").read_text(), (kubeadms / "ca.key").read_text())


def test_the_manifest_tells_the_one_ca_of_clients_and_peers() -> None:
    assert authority_path(read_etcd(ETCD)) == PATH
    assert StackedAuthority(PATH, None, has_key=False).key_path == "/etc/kubernetes/pki/etcd/ca.key"


@pytest.mark.parametrize(
    ("old", "new"),
    [("--peer-trusted-ca-file=/etc", "--peer-trusted-ca-file=/opt"), ("--peer-trusted-ca-file", "--x")],
)
def test_two_cas_or_none_are_refused(old: str, new: str) -> None:
    assert old in ETCD
    with pytest.raises(ManifestError, match=r"etcd\.yaml has --trusted-ca-file"):
        authority_path(read_etcd(ETCD.replace(old, new)))


def test_the_hosts_script_tells_the_certificate_and_never_the_key(kubeadms: Path) -> None:
    done = run_here("observe-authority", str(kubeadms / "ca.crt"), str(kubeadms / "ca.key"))
    found = read_authority(done.stdout.splitlines())
    assert (found.path, found.has_key) == (str(kubeadms / "ca.crt"), True)
    assert found.pem == (kubeadms / "ca.crt").read_text()
    assert len(parse_report(done.stdout.splitlines())) == 3
    assert parse_report(done.stdout.splitlines())["key"] == ("yes",)
    absent = run_here("observe-authority", str(kubeadms / "ca.crt"), str(kubeadms / "no.key"))
    assert not read_authority(absent.stdout.splitlines()).has_key
    read = run_here("read-authority-key", str(kubeadms / "ca.key"))
    assert only(parse_report(read.stdout.splitlines()), "key") == (kubeadms / "ca.key").read_text()


def test_masters_with_one_ca_and_one_key_can_sign(authority: Pair) -> None:
    pem = authority.certificate_pem
    words = f"Certificate:\n    Data\n{pem}"
    found = {
        "master-1": StackedAuthority(PATH, words, has_key=False),
        "master-2": StackedAuthority(PATH, pem, has_key=True),
    }
    assert list(authority_problems(found, 30, this_moment())) == []


def test_another_ca_no_key_and_no_certificate_are_told_by_host(
    authority: Pair, made: tuple[Path, object]
) -> None:
    pem, other = authority.certificate_pem, (made[0] / "ca.crt").read_text()
    found = {
        "master-1": StackedAuthority(PATH, pem, has_key=False),
        "master-2": StackedAuthority(PATH, other, has_key=False),
        "master-3": StackedAuthority(PATH, pem + other, has_key=False),
        "master-4": StackedAuthority(PATH, None, has_key=False),
    }
    told = {problem.host: problem.found for problem in authority_problems(found, 30, this_moment())}
    assert told == {
        "master-2": f"a {PATH} that is not the one of master-1",
        "master-3": f"{PATH}: 2 certificates in one file",
        "master-4": f"no {PATH}",
        "master-1, master-2, master-3, master-4": "no /etc/kubernetes/pki/etcd/ca.key on any master",
    }


def test_a_key_of_another_ca_is_refused(authority: Pair, made: tuple[Path, object]) -> None:
    with pytest.raises(ValueError, match="the key of another certificate"):
        own_pair(authority.certificate_pem, (made[0] / "ca.key").read_text())


def test_signs_every_certificate_once_it_was_adopted(tmp_path: Path, authority: Pair, kubeadms: Path) -> None:
    directory = tmp_path / "state" / "pki"
    assert not has_authority(directory, authority.certificate_pem)
    assert not adopt(directory, authority, tmp_path / "aside")
    assert has_authority(directory, authority.certificate_pem)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / "ca.key").stat().st_mode & 0o777 == 0o600
    pki = ensure_pki(directory, topology(), this_moment())
    assert lint(pki, topology(), this_moment()) == []
    assert openssl("verify", "-CAfile", kubeadms / "ca.crt", directory / "members/etcd-1/peer.crt")
    assert verifies(directory, "members/etcd-1/peer", "sslserver")
    before = contents(directory)
    assert not adopt(directory, authority, tmp_path / "aside")
    assert not (tmp_path / "aside").exists()
    assert before.keys() == contents(directory).keys()


def test_another_ca_is_moved_aside_with_all_that_it_signed(
    pki_directory: Path, authority: Pair, tmp_path: Path
) -> None:
    before, aside = contents(pki_directory), tmp_path / "previous-ca" / "run"
    assert adopt(pki_directory, authority, aside)
    assert contents(aside) == before
    assert set(contents(pki_directory)) == {"ca.crt", "ca.key"}
    assert aside.parent.stat().st_mode & 0o077 == 0


def _assert_no_ca_is_made_by_the_masters_key(place: Path, authority: Pair) -> None:
    """A snapshot's strategy makes its own CA with a key that it finds alone."""
    if (place / "pki").exists():
        copy = shutil.copytree(place / "pki", place / "snapshots", copy_function=shutil.copy2)
        with contextlib.suppress(ProblemsError):
            ensure_pki(copy, topology(), this_moment())
        if (key := copy / "ca.key").exists() and key.read_text() == authority.private_key_pem:
            assert has_authority(copy, authority.certificate_pem), place


def test_an_adoption_killed_at_any_step_is_gone_on_with(
    pki_directory: Path, authority: Pair, tmp_path: Path
) -> None:
    old = contents(pki_directory)
    for step in range(100):
        place = tmp_path / str(step)
        shutil.copytree(pki_directory, place / "pki", copy_function=shutil.copy2)
        killed = False
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
            kill_at(patch, step)
            killed = True
            adopt(place / "pki", authority, place / "aside")
            killed = False
        _assert_no_ca_is_made_by_the_masters_key(place, authority)
        adopt(place / "pki", authority, place / "aside-2")
        assert has_authority(place / "pki", authority.certificate_pem), step
        assert contents(place / "aside").keys() | contents(place / "aside-2").keys() == old.keys(), step
        assert set(contents(place / "pki")) == {"ca.crt", "ca.key"}, step
        if not killed:
            break
    else:
        pytest.fail("never ran to the end")
    assert step > 5


def _run(directory: Path, monkeypatch: pytest.MonkeyPatch, *masters: StackedAuthority) -> Any:
    """A live migration's run whose masters have these CAs, with running external members."""
    found = {f"master-{number}": one for number, one in enumerate(masters, 1)}
    monkeypatch.setattr(adopt_ca, "known_masters", lambda run: {})
    monkeypatch.setattr(adopt_ca, "cluster_phase", lambda topology, masters: Phase.STACKED)
    monkeypatch.setattr(adopt_ca, "strategy_of", lambda run: Strategy.LIVE)
    monkeypatch.setattr(adopt_ca, "known_authorities", lambda run: found)
    monkeypatch.setattr(adopt_ca, "known_etcd_hosts", lambda run: {"etcd-1": etcd_host(container="running")})
    return SimpleNamespace(rehearses=False, topology=topology(), directory=directory)


def test_a_key_that_the_pki_has_is_not_asked_of_the_masters_again(
    tmp_path: Path,
    authority: Pair,
    made: tuple[Path, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bare = StackedAuthority(PATH, authority.certificate_pem, has_key=False)
    other = StackedAuthority(PATH, (made[0] / "ca.crt").read_text(), has_key=True)
    with pytest.raises(OperationError):
        adopt_ca.lacks_stacked_ca(_run(tmp_path, monkeypatch, bare, bare))
    assert "on any master" in caplog.text
    adopt(tmp_path / "pki", authority, tmp_path / "aside")
    assert not adopt_ca.lacks_stacked_ca(_run(tmp_path, monkeypatch, bare, bare))
    with pytest.raises(OperationError):
        adopt_ca.lacks_stacked_ca(_run(tmp_path, monkeypatch, bare, other))
    assert "not the one of master-1" in caplog.text


def test_a_key_that_the_pki_has_lost_comes_back_while_members_use_its_certificate(
    tmp_path: Path,
    authority: Pair,
    made: tuple[Path, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    adopt(tmp_path / "pki", authority, tmp_path / "aside")
    before = contents(tmp_path / "pki")
    (tmp_path / "pki" / "ca.key").unlink()
    run = _run(tmp_path, monkeypatch, StackedAuthority(PATH, authority.certificate_pem, has_key=True))
    assert adopt_ca.lacks_stacked_ca(run)
    adopt_ca._refuse_another_in_use(run)
    assert not adopt(tmp_path / "pki", authority, tmp_path / "aside")
    assert contents(tmp_path / "pki").keys() == before.keys()
    other = StackedAuthority(PATH, (made[0] / "ca.crt").read_text(), has_key=True)
    with pytest.raises(OperationError):
        adopt_ca._refuse_another_in_use(_run(tmp_path, monkeypatch, other))
    assert "etcd-1 in use" in caplog.text


def _made(directory: Path, *options: object) -> str:
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=etcd-ca")
    openssl(*request, *options, "-keyout", directory / "x.key", "-out", directory / "x.crt")
    return (directory / "x.crt").read_text()


def test_a_ca_that_could_not_sign_for_long_or_at_all_is_refused_before_it_is_adopted(
    tmp_path: Path, kubeadms: Path
) -> None:
    upper = ("-CA", kubeadms / "ca.crt", "-CAkey", kubeadms / "ca.key")
    for options, found in (
        (("-days", "20"), "an end of validity at"),
        (("-days", "3650", "-addext", "basicConstraints=critical,CA:false"), "a certificate that is no CA"),
        (("-days", "3650", *upper), "a certificate signed by another CA"),
    ):
        one = StackedAuthority(PATH, _made(tmp_path, *options), has_key=True)
        both = {"master-1": one, "master-2": one}
        (problem,) = authority_problems(both, 30, this_moment())
        assert problem.host == "master-1, master-2"
        assert problem.found.startswith(f"{PATH}: {found}")
