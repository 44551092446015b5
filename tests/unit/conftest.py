"""Fixtures of the unit tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cluster import APISERVER
from tests.unit.pki_files import (
    this_moment,
    topology,
)
from tests.unit.report_lines import (
    BROUGHT_BACK,
    MASTERS,
    MIGRATED,
    PROOF,
    ROLLBACK,
    ROLLED_BACK,
    START,
    source,
)
from unstack.pki import Pki, ensure_pki
from unstack.report.build import build
from unstack.report.model import Report
from unstack.report.source import Change


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


@pytest.fixture
def migrated(tmp_path: Path) -> Report:
    results = {"cutover_started": START.timestamp() + 7, "proof": PROOF}
    edited = APISERVER.replace("https://127.0.0.1:2379", "https://172.30.0.31:2379")
    changes = [Change(name, "kube-apiserver.yaml", APISERVER, edited) for name in MASTERS]
    return build(source(MIGRATED, tmp_path, results=results, changes=changes))


@pytest.fixture
def brought_back(tmp_path: Path) -> Report:
    return build(source(BROUGHT_BACK, tmp_path))


@pytest.fixture
def rolled_back(tmp_path: Path) -> Report:
    proof = {**PROOF, "old": PROOF["new"], "new": PROOF["old"]}
    results = {"cutover_started": START.timestamp() + 3, "nothing to confirm": False, "proof": proof}
    return build(source(ROLLED_BACK, tmp_path, planned=ROLLBACK, results=results))
