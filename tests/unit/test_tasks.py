"""Every task can be loaded, and names what it is for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TASKS = sorted((Path(__file__).parents[2] / "tasks").glob("*.py"))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_a_task_loads_and_has_a_function_of_its_name(path: Path) -> None:
    specification = importlib.util.spec_from_file_location(f"tasks_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    task = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(task)
    assert callable(getattr(task, path.stem))
    assert task.__doc__
