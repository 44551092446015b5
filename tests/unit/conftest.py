"""Fixtures of the unit tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.pki_files import (
    this_moment,
    topology,
)
from unstack.pki import Pki, ensure_pki


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Pki]:
    directory = tmp_path_factory.mktemp("made") / ".unstack" / "prod" / "pki"
    return directory, ensure_pki(directory, topology(pki={"hosts": ["etcd.lan", "*.x.org"]}), this_moment())


@pytest.fixture
def pki_directory(made: tuple[Path, Pki], tmp_path: Path) -> Path:
    """A PKI of `topology()` to damage."""
    directory = tmp_path / "pki"
    shutil.copytree(made[0], directory)
    ensure_pki(directory, topology(), this_moment())
    return directory


@pytest.fixture
def umask_zero() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)
