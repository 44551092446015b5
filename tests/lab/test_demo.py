"""The demonstration and the fault matrix, as the README says to run them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from faults.rows import ROWS
from lab import Lab
from tests.commands import REPOSITORY


def _make(target: str, limit_seconds: float) -> subprocess.CompletedProcess[str]:
    """What a Makefile target runs, with this Python."""
    return subprocess.run(
        [sys.executable, "-m", target],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_seconds,
        check=False,
    )


@pytest.mark.long
def test_the_demonstration_loses_nothing_and_says_so(fresh_lab: Lab) -> None:
    done = _make("demo", 900)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((REPOSITORY / ".lab/demo.json").read_text())
    assert summary["problems"] == [], done.stdout
    assert summary["missing"] == []
    # 2,000 are loaded beforehand, and four writers write on.
    assert summary["acknowledged"] > 2000


@pytest.mark.long
def test_every_row_of_the_fault_matrix_passes(fresh_lab: Lab) -> None:
    done = _make("faults", 9000)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().splitlines()[-1].endswith(f"{len(ROWS)} passed, 0 failed"), done.stdout
