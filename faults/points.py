"""Pause points: how a faulty run tells that it has come to a point, and how it is let go again.

Both sides use this, the harness and the pyinfra process: two files in a directory that only they
know are all that passes between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# Environment of the pyinfra process: the directory, and the points at which to wait, by commas.
DIRECTORY = "UNSTACK_PAUSES"
PAUSE_AT = "UNSTACK_PAUSE_AT"
# Behind the last stage.
END = "end"

_INCLUDE = re.compile(r'^local\.include\("tasks/([a-z_-]+)\.py"\)', re.MULTILINE)


def stages(deploy: str) -> tuple[str, ...]:
    """The stages that a deploy file includes, in its order. Raises ValueError if it includes none."""
    found = tuple(_INCLUDE.findall(deploy))
    if not found:
        raise ValueError("the deploy file includes no task")
    return found


def before(stage: str) -> str:
    """The point before a stage."""
    return f"before-{stage}"


def wanted(environment: Mapping[str, str]) -> frozenset[str]:
    """The points at which this process is to wait."""
    return frozenset(name for name in environment.get(PAUSE_AT, "").split(",") if name)


def reached(directory: Path, point: str) -> Path:
    """The file that appears when the run has come to the point."""
    return directory / f"reached-{point}"


def go(directory: Path, point: str) -> Path:
    """The file whose appearance lets the run go on."""
    return directory / f"go-{point}"
