"""The journal is whole after every line, and nobody else can read it."""

from __future__ import annotations

import json
from pathlib import Path

from unstack.journal import Journal, private_directory, write_private


def test_every_line_is_an_event_of_the_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a/b", "run-1")
    journal.record("stage", stage="fence", result="ok")
    journal.record("stage", stage="snapshot", result="ok")
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [(line["run"], line["stage"]) for line in lines] == [("run-1", "fence"), ("run-1", "snapshot")]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a/b", "run-1")
    journal.record("stage")
    write_private(tmp_path / "a/b/outcome.json", "{}\n")
    for path in (tmp_path / "a", tmp_path / "a/b", journal.path, tmp_path / "a/b/outcome.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_makes_an_open_directory_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert private_directory(tmp_path).stat().st_mode & 0o777 == 0o700
