"""Pause points: how a faulty run tells that it has come to a point, and how it is let go again.

Both sides use this, the harness and the pyinfra process: two files in a directory that only they
know are all that passes between them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

# Environment of the pyinfra process: the directory, and the points at which to wait, by commas.
DIRECTORY = "UNSTACK_PAUSES"
PAUSE_AT = "UNSTACK_PAUSE_AT"
# Behind the last stage.
END = "end"

LIVE = "live"
SNAPSHOT = "snapshot"


def stages(deploy: str, strategy: str) -> tuple[str, ...]:
    """The stages that a deploy file includes, in its order. Raises ValueError if it includes none.

    + strategy: of the deploy file's choice, `if ... is Strategy.LIVE`, the side that this one takes
    """
    found = tuple(_included(ast.parse(deploy).body, strategy))
    if not found:
        raise ValueError("the deploy file includes no task")
    return found


def _included(statements: Iterable[ast.stmt], strategy: str) -> Iterator[str]:
    for one in statements:
        match one:
            case ast.If(test=ast.Compare(comparators=[ast.Attribute(attr="LIVE")])):
                yield from _included(one.body if strategy == LIVE else one.orelse, strategy)
            case ast.Expr(
                value=ast.Call(func=ast.Attribute(attr="include"), args=[ast.Constant(value=str(path))])
            ):
                yield Path(path).stem


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
