"""The pause itself: an operation that all hosts share, in which the lead host waits.

Like a barrier it is a fixed point of pyinfra's order, so a fault comes between two stages and not
beside one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path

import gevent
from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State

from faults.points import DIRECTORY, go, reached, wanted
from unstack.run import begin

LIMIT_SECONDS = 120.0
POLL_SECONDS = 0.02


def pause(point: str) -> None:
    """Wait here until the harness lets the run go, if it has named this point."""
    if point in wanted(os.environ):
        _pause(point=point, name=f"pause {point}")


@operation()
def _pause(point: str) -> Generator[FunctionCommand]:
    if state.is_executing and host.name == begin().lead() and not _let_go(point):
        # A step that fails, and no exception: the tool's own way back is to follow it.
        yield FunctionCommand(_give_up, (point,), {})
        return
    host.noop("all hosts have waited here")


def _let_go(point: str) -> bool:
    directory = Path(os.environ[DIRECTORY])
    reached(directory, point).touch()
    deadline = time.monotonic() + LIMIT_SECONDS
    while not go(directory, point).exists():
        if time.monotonic() > deadline:
            return False
        gevent.sleep(POLL_SECONDS)
    return True


def _give_up(state: State, host: Host, point: str) -> bool:
    logger.error(f"    {host.print_prefix}nobody let the run go on from {point} in {LIMIT_SECONDS:.0f} s")
    return False
