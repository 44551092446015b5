"""What tests on the lab share: one lab, brought back to a fresh stacked cluster where one needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab; `make test` starts it."""
    return Lab.load()


@pytest.fixture(scope="module")
def fresh_lab(lab: Lab) -> Iterator[Lab]:
    """The lab as a fresh stacked cluster."""
    lab.reset()
    return lab
