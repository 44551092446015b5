"""The scripts by which restored data takes a member's place, and gives it back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.scripts import run_here
from unstack.observations import parse_report

NEW_NOTE = '{"run": "r", "bump": 1}'


def _member_data(directory: Path) -> dict[str, str]:
    """{file: content} of a member's directory."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


@pytest.fixture
def restored_beside(tmp_path: Path) -> Path:
    """A member's directory with its own data, and what the run r has restored beside it."""
    for name, content in (("data", "old"), ("restoring-r", "new")):
        (tmp_path / name / "member").mkdir(parents=True)
        (tmp_path / name / "member/db").write_text(content)
    (tmp_path / "restored.json").write_text("old note")
    (tmp_path / "restoring-r.json").write_text(NEW_NOTE)
    return tmp_path


PLACED = {
    "data/member/db": "new",
    "restored.json": NEW_NOTE,
    "previous-r/member/db": "old",
    "previous-r.json": "old note",
}
BESIDE = {
    "data/member/db": "old",
    "restored.json": "old note",
    "restoring-r/member/db": "new",
    "restoring-r.json": NEW_NOTE,
}


def test_restored_data_takes_its_place_and_the_data_of_before_is_kept(restored_beside: Path) -> None:
    done = run_here("place-data", str(restored_beside), "r")
    assert done.returncode == 0, done.stderr
    assert _member_data(restored_beside) == PLACED


def test_data_of_before_that_was_put_back_is_as_if_nothing_had_been_restored(restored_beside: Path) -> None:
    for _ in range(2):
        assert run_here("place-data", str(restored_beside), "r").returncode == 0
        done = run_here("put-back", str(restored_beside), "no-such-container", "r")
        assert done.returncode == 0, done.stderr
        assert _member_data(restored_beside) == BESIDE


def test_a_member_that_had_lost_its_data_is_without_any_again(restored_beside: Path) -> None:
    shutil.rmtree(restored_beside / "data")
    (restored_beside / "restored.json").unlink()
    assert run_here("place-data", str(restored_beside), "r").returncode == 0
    assert _member_data(restored_beside) == {"data/member/db": "new", "restored.json": NEW_NOTE}
    done = run_here("put-back", str(restored_beside), "no-such-container", "r")
    assert (done.returncode, done.stdout) == (0, ""), done
    assert _member_data(restored_beside) == {"restoring-r/member/db": "new", "restoring-r.json": NEW_NOTE}


def test_nothing_is_put_back_where_nothing_was_placed(restored_beside: Path) -> None:
    done = run_here("put-back", str(restored_beside), "no-such-container", "r")
    assert done.returncode == 0, done.stderr
    assert parse_report(done.stdout.splitlines()) == {"data": ("yes",)}
    assert _member_data(restored_beside) == BESIDE


# The renames of place-data, in its order: a kill may come after any of them.
RENAMES = (
    ("data", "previous-r"),
    ("restored.json", "previous-r.json"),
    ("restoring-r.json", "restored.json"),
    ("restoring-r", "data"),
)


@pytest.mark.parametrize("done_before", range(4))
def test_a_change_of_data_that_was_killed_is_completed_or_taken_back(
    restored_beside: Path, done_before: int
) -> None:
    for source, target in RENAMES[:done_before]:
        (restored_beside / source).rename(restored_beside / target)
    back = restored_beside.parent / "back"
    shutil.copytree(restored_beside, back)
    try:
        assert run_here("place-data", str(restored_beside), "r").returncode == 0
        assert _member_data(restored_beside) == PLACED
        assert run_here("put-back", str(back), "no-such-container", "r").returncode == 0
        assert _member_data(back) == BESIDE
    finally:
        shutil.rmtree(back)


def test_a_mark_is_whole_and_gone_when_the_restore_has_ended(tmp_path: Path) -> None:
    assert run_here("mark-restoring", str(tmp_path / "kept"), '{"run": "r"}').returncode == 0
    assert _member_data(tmp_path) == {"kept/restoring": '{"run": "r"}\n'}
    assert run_here("end-restoring", str(tmp_path / "kept")).returncode == 0
    assert _member_data(tmp_path) == {}
