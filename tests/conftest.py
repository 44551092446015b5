"""What tests on the lab share: one lab, brought back to a fresh stacked cluster where one needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import Lab
from tests.backups import take_backup
from tests.commands import pyinfra
from tests.fresh import make_fresh


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab; `make test` starts it."""
    return Lab.load()


@pytest.fixture(scope="module")
def fresh_lab(lab: Lab) -> Lab:
    """The lab as a fresh stacked cluster."""
    make_fresh(lab)
    return lab


@pytest.fixture(scope="module")
def migrated_lab(lab: Lab) -> Lab:
    """The lab as an earlier test left it where that is migrated, else migrated anew."""
    if pyinfra("-y", "inventories/lab.py", "deploy.py").status != 0:
        make_fresh(lab)
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
    return lab


@pytest.fixture(scope="module", params=["snapshot", pytest.param("live", marks=pytest.mark.long)])
def moved_lab(lab: Lab, request: pytest.FixtureRequest) -> Lab:
    """A lab migrated by each strategy in turn: what comes after a migration must not tell them apart."""
    if request.param == "snapshot":
        migrated: Lab = request.getfixturevalue("migrated_lab")
        return migrated
    make_fresh(lab)
    outcome = pyinfra("-y", "--data", f"strategy={request.param}", "inventories/lab.py", "deploy.py")
    assert outcome.status == 0, outcome.text
    return lab


@pytest.fixture(scope="module")
def backup(migrated_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the migrated lab."""
    return take_backup(migrated_lab, tmp_path_factory.mktemp("backup") / "backup.db")
