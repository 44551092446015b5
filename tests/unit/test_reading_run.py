"""A run that only reads leaves nothing behind, and never runs beside one that changes something."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import cluster, topology
from tests.unit.pki_files import this_moment
from unstack import run
from unstack.operations import preview
from unstack.pki import AuthorityState, foresee_pki
from unstack.run import Purpose, Run, begin


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The control node's empty directory, and a process in which no run has begun."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "_current", {})
    monkeypatch.setattr(run, "ctx_state", SimpleNamespace(get=lambda: tmp_path))
    monkeypatch.setattr(run, "_begin", lambda current, purpose: Run(topology(), (), purpose))
    return tmp_path


def test_leaves_nothing_on_the_control_node(place: Path) -> None:
    assert begin(purpose=Purpose.READ) is begin(purpose=Purpose.READ)
    assert list(place.iterdir()) == []


def test_another_run_makes_its_journal_when_it_has_something_to_note(place: Path) -> None:
    begin().journal.record("start")
    (line,) = (place / ".unstack/test/journal.jsonl").read_text().splitlines()
    assert '"event": "start"' in line


@pytest.mark.parametrize("first", list(Purpose))
@pytest.mark.parametrize("second", list(Purpose))
def test_is_refused_beside_a_run_of_another_purpose(place: Path, first: Purpose, second: Purpose) -> None:
    begin(purpose=first)
    if first is second:
        begin(purpose=second)
        return
    for purpose in (second, first):
        with pytest.raises(OperationError, match="1 problem"):
            begin(purpose=purpose)


def test_certificates_that_this_user_can_not_read_are_a_problem(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", ".unstack/test/pki")

    found = preview._pki(begin(purpose=Purpose.READ), cluster(), this_moment())
    assert found == foresee_pki(place / "pki", topology(), this_moment())
    monkeypatch.setattr(preview, "foresee_pki", denied)
    found = preview._pki(begin(purpose=Purpose.READ), cluster(), this_moment())
    assert found.state is AuthorityState.REFUSED
    assert [problem.found for problem in found.problems] == [".unstack/test/pki: Permission denied"]
