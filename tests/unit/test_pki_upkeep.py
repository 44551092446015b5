"""Good pairs are kept byte for byte, others are made anew, and no kill leaves half a pair."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.commands import REPOSITORY
from tests.unit.pki_files import (
    MEMBERS,
    STEPS,
    Killed,
    assert_every_certificate_has_its_key,
    assert_no_half_pair,
    changed,
    contents,
    kill_at,
    openssl,
    this_moment,
    topology,
    verifies,
)
from unstack.pki import ensure_next_authority, ensure_pki, lint, trusted_pem
from unstack.pki.contents import CONTROL_NODE
from unstack.pki.in_use import authority_problems


def test_second_call_changes_nothing(pki_directory: Path) -> None:
    before = contents(pki_directory)
    first = ensure_pki(pki_directory, topology(), this_moment())
    assert ensure_pki(pki_directory, topology(), this_moment() + timedelta(days=300)) == first
    assert changed(before, pki_directory) == set()


def test_a_new_member_leaves_the_others_alone(pki_directory: Path) -> None:
    before = contents(pki_directory)
    five = topology({**MEMBERS, "etcd-4": "10.9.0.4", "etcd-5": "10.9.0.5"})
    assert set(ensure_pki(pki_directory, five, this_moment()).peer) == {
        member.name for member in five.members
    }
    assert {name.split("/")[1] for name in changed(before, pki_directory)} == {"etcd-4", "etcd-5"}


def test_changed_address_remakes_that_members_pairs_only(pki_directory: Path) -> None:
    before = contents(pki_directory)
    ensure_pki(pki_directory, topology({**MEMBERS, "etcd-2": "10.9.0.22"}), this_moment())
    expected = {f"members/etcd-2/{u}.{e}" for u in ("server", "peer") for e in ("crt", "key")}
    assert changed(before, pki_directory) == expected
    assert verifies(pki_directory, "members/etcd-2/peer", "any", "-verify_ip", "10.9.0.22")
    assert_every_certificate_has_its_key(pki_directory)


def test_remakes_a_leaf_about_to_expire(pki_directory: Path) -> None:
    before = contents(pki_directory)
    # By the certificates themselves: they were made a while before this test began.
    leaves = [path for path in pki_directory.rglob("*.crt") if path.name != "ca.crt"]
    ends = [x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc for path in leaves]
    week = timedelta(days=7)
    ensure_pki(pki_directory, topology(), min(ends) - week - timedelta(seconds=2))
    assert changed(before, pki_directory) == set()
    ensure_pki(pki_directory, topology(), max(ends) - week + timedelta(seconds=2))
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
    ensure_pki(pki_directory, topology(), this_moment())
    assert changed(before, pki_directory) == {"members/etcd-1/peer.crt", "members/etcd-1/peer.key"}
    assert_every_certificate_has_its_key(pki_directory)


def test_remakes_leaves_of_another_issuer_with_the_same_name(pki_directory: Path, tmp_path: Path) -> None:
    ensure_pki(tmp_path / "other", topology(), this_moment())
    for name in ("ca.crt", "ca.key"):
        shutil.copy(tmp_path / "other" / name, pki_directory / name)
    ensure_pki(pki_directory, topology(), this_moment())
    assert verifies(pki_directory, "members/etcd-1/peer", "sslserver")


def test_uses_a_ca_made_by_openssl_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ca.key").touch(mode=0o600)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=kubeadm-ca",
            "-days", "3650", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", tmp_path / "ca.key", "-out", tmp_path / "ca.crt")  # fmt: skip
    before = contents(tmp_path)
    pki = ensure_pki(tmp_path, topology(), this_moment() + timedelta(minutes=1))
    assert contents(tmp_path).items() >= before.items()
    assert verifies(tmp_path, "members/etcd-1/server", "sslserver", "-verify_ip", "10.9.0.1")
    assert lint(pki, topology(), this_moment() + timedelta(minutes=1)) == []


# --- killed half-way -----------------------------------------------------------------------


@pytest.mark.parametrize("state", ["empty", "complete"])
def test_continues_a_run_killed_at_any_step(tmp_path: Path, state: str) -> None:
    """Both a first run and one that makes leaves anew, killed twice at each step in turn."""
    one = topology({"etcd-1": "10.9.0.1"}, allow_fewer_than_three_members=True)
    moved = topology({"etcd-1": "10.9.0.8"}, allow_fewer_than_three_members=True)
    if state == "complete":
        ensure_pki(tmp_path / "before", one, this_moment())
    for step in range(400):
        directory = tmp_path / str(step) / "pki"
        if state == "complete":
            shutil.copytree(tmp_path / "before", directory)
        authorities = set()
        finished = 0
        for _ in range(2):
            with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Killed):
                kill_at(patch, step)
                ensure_pki(directory, moved, this_moment())
                finished += 1
            assert_no_half_pair(directory)
            if (directory / "ca.crt").exists():
                authorities.add((directory / "ca.key").read_bytes())
        pki = ensure_pki(directory, moved, this_moment())
        authorities.add((directory / "ca.key").read_bytes())
        assert len(authorities) == 1
        assert lint(pki, moved, this_moment()) == []
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
    ensure_pki(directory, topology(), this_moment())
    ensure_pki(directory, topology({**MEMBERS, "etcd-1": "10.9.0.9"}), this_moment())
    assert seen == {("directory", 0o700), ("key", 0o600)}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


# --- refused -------------------------------------------------------------------------------


def test_the_directory_can_be_locked_again_at_once_under_gevent(tmp_path: Path) -> None:
    """pyinfra patches the standard library: what is closed is closed later."""
    program = (
        "from gevent import monkey; monkey.patch_all()\n"
        "import gevent\n"
        "from pathlib import Path\n"
        "from unstack.pki.directory import locked\n"
        "def twice():\n"
        "    for _ in range(2):\n"
        f"        with locked(Path({str(tmp_path / 'pki')!r})):\n"
        "            pass\n"
        "gevent.spawn(twice).get()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, timeout=20, check=False)
    assert done.returncode == 0


def test_a_control_node_with_another_ca_or_none_is_told_before_it_renews(
    pki_directory: Path, tmp_path: Path
) -> None:
    ours = hashlib.sha256((pki_directory / "ca.crt").read_bytes()).hexdigest()
    assert authority_problems(pki_directory, {"etcd-1": ours, "etcd-2": None}) == []
    (problem,) = authority_problems(pki_directory, {"etcd-1": ours, "etcd-2": "00"})
    assert problem.host == "etcd-2"
    assert str(pki_directory) in problem.action
    (problem,) = authority_problems(tmp_path / "empty", {"etcd-1": ours})
    assert problem.host == CONTROL_NODE
    assert problem.found == f"no {tmp_path / 'empty' / 'ca.crt'}"


def test_after_an_expired_ca_a_new_one_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    hosts = {"etcd-1": "00"}
    assert authority_problems(tmp_path / "empty", hosts, makes_new=True) == []


def test_a_ca_that_is_there_is_compared_also_where_a_new_one_is_asked_for(pki_directory: Path) -> None:
    (problem,) = authority_problems(pki_directory, {"etcd-1": "00"}, makes_new=True)
    assert problem.host == "etcd-1"


def test_hosts_may_have_both_cas_while_one_takes_over(pki_directory: Path) -> None:
    ensure_next_authority(pki_directory, topology(), this_moment())
    both = hashlib.sha256(trusted_pem(pki_directory).encode()).hexdigest()
    old = hashlib.sha256((pki_directory / "ca.crt").read_bytes()).hexdigest()
    assert authority_problems(pki_directory, {"etcd-1": both, "etcd-2": old}) == []
    (problem,) = authority_problems(pki_directory, {"etcd-1": both, "etcd-2": "00"})
    assert problem.host == "etcd-2"
