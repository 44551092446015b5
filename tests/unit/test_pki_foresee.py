"""What is foreseen of the PKI is what then becomes of it, and foreseeing changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.pki_files import this_moment, topology
from unstack.pki import AuthorityState, ensure_pki, foresee_pki
from unstack.problems import ProblemsError


def _listing(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.relative_to(directory).as_posix(): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in directory.rglob("*")
    }


def test_where_nothing_is_all_is_made_and_foreseeing_makes_nothing(tmp_path: Path) -> None:
    found = foresee_pki(tmp_path / "a" / "pki", topology(), this_moment())
    assert found.state is AuthorityState.MADE
    assert found.ca_certificate_pem is None
    assert set(found.leaves.values()) == {None}
    assert list(tmp_path.iterdir()) == []
    made = ensure_pki(tmp_path / "a" / "pki", topology(), this_moment())
    assert set(found.leaves) == set(made.pairs())


def test_what_is_kept_is_foreseen_with_its_content(pki_directory: Path) -> None:
    before = _listing(pki_directory)
    found = foresee_pki(pki_directory, topology(), this_moment())
    assert _listing(pki_directory) == before
    kept = ensure_pki(pki_directory, topology(), this_moment())
    assert found.state is AuthorityState.KEPT
    assert found.ca_certificate_pem == kept.ca_certificate_pem
    assert dict(found.leaves) == kept.pairs()


def test_a_certificate_that_no_longer_holds_is_foreseen_to_be_made_anew(pki_directory: Path) -> None:
    (pki_directory / "operator-client.crt").write_text("damaged")
    found = foresee_pki(pki_directory, topology(), this_moment())
    anew = {name for name, pair in found.leaves.items() if pair is None}
    assert anew == {"operator-client"}
    made = ensure_pki(pki_directory, topology(), this_moment()).pairs()
    assert {name for name, pair in found.leaves.items() if pair != made[name]} == anew


@pytest.mark.parametrize(
    "damage",
    [
        lambda directory: (directory / "ca.key").unlink(),
        lambda directory: (directory / "ca.crt").unlink(),
        lambda directory: (directory / "ca.key").write_text("no key"),
        lambda directory: (directory / "ca.crt").write_text("no certificate"),
        lambda directory: (directory / "ca.key").chmod(0o644),
    ],
    ids=["no key", "no certificate", "damaged key", "damaged certificate", "exposed key"],
)
def test_each_refusal_is_foreseen_in_the_same_words(
    pki_directory: Path, damage: Callable[[Path], object]
) -> None:
    damage(pki_directory)
    found = foresee_pki(pki_directory, topology(), this_moment())
    assert found.state is AuthorityState.REFUSED
    with pytest.raises(ProblemsError) as refused:
        ensure_pki(pki_directory, topology(), this_moment())
    assert set(found.problems) == set(refused.value.problems)


def test_an_authority_that_is_about_to_expire_is_refused(pki_directory: Path) -> None:
    later = this_moment() + timedelta(days=3653)
    found = foresee_pki(pki_directory, topology(), later)
    assert found.state is AuthorityState.REFUSED
    assert "an end of validity" in found.problems[0].found


def test_a_key_that_a_killed_run_left_is_used(tmp_path: Path, pki_directory: Path) -> None:
    directory = tmp_path / "new"
    directory.mkdir(mode=0o700)
    key = directory / "ca.key"
    key.write_text((pki_directory / "ca.key").read_text())
    key.chmod(0o600)
    assert foresee_pki(directory, topology(), this_moment()).state is AuthorityState.MADE
    key.write_text("no key")
    assert foresee_pki(directory, topology(), this_moment()).state is AuthorityState.REFUSED
