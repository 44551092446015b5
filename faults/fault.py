"""A fault, a row of the matrix, and what its functions get to work with."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from faults.control_plane import State
from faults.errors import EXPECTED_ERRORS, FaultError, told
from faults.points import SNAPSHOT
from lab import Lab

# A loop in a machine, which can't be told to stop, ends by itself within this time.
LOOP_SECONDS = 60
_JOIN_SECONDS = LOOP_SECONDS + 30.0


class Context:
    """The lab, and the run under way, with whatever happens beside it."""

    def __init__(self, lab: Lab, process: subprocess.Popen[bytes]) -> None:
        self.lab = lab
        self._process = process
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._troubles: list[str] = []

    def kill(self) -> None:
        """Kill the controller, as `kill -9` does: nothing in it can react."""
        self._process.send_signal(signal.SIGKILL)

    def interrupt(self) -> None:
        """Ctrl-C: the controller is asked to stop."""
        self._process.send_signal(signal.SIGINT)

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something after a time, and be in trouble if the run has ended by then."""

        def wait() -> None:
            if self._over.wait(seconds):
                raise FaultError("the run ended before the fault came: the aim missed")
            action()

        self._start(wait)

    def meanwhile(self, work: Callable[[threading.Event], object]) -> None:
        """Do something beside the run, until the event that is handed over is set."""
        self._start(lambda: work(self._over))

    def finish(self) -> list[str]:
        """The run is over: end all that goes on beside it; returns what went wrong there."""
        self._over.set()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                self._troubles.append("what went on beside the run does not end")
        return self._troubles

    def _start(self, work: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                work()
            except EXPECTED_ERRORS as error:
                self._troubles.append(told(error))

        # Not one of them may keep this process alive.
        thread = threading.Thread(target=guarded, daemon=True)
        self._threads.append(thread)
        thread.start()


def _nothing(_: Context) -> None:
    return


def _no_problem(_: Context) -> list[str]:
    return []


@dataclass(frozen=True)
class Fault:
    """One row: which fault, into which stage, and what may be there afterwards."""

    name: str
    # The stage that it is to hit: of a run that is killed, the one in which it has to die.
    stage: str
    # Where the run is paused for the injection; `faults.points`.
    point: str
    what: str
    # Brings the fault in while the run is paused; the run goes on as soon as it returns.
    inject: Callable[[Context], None]
    # Mends it once the run has ended, however it did, and even if the injection failed half-way.
    heal: Callable[[Context], None] = _nothing
    # What is wrong while the fault is still there, one line each.
    look: Callable[[Context], list[str]] = _no_problem
    # Settings of the faulty run: pyinfra's --data.
    data: Mapping[str, str] = field(default_factory=dict)
    # Of the faulty run and of the next.
    strategy: str = SNAPSHOT
    # Of a run that is killed: what is in the name of the operation in which it has to die.
    operation: str = ""
    # What may be there once the fault is healed, before the next deploy.
    expects: frozenset[State] = frozenset({"old"})
    # For how long at most no write is acknowledged through the load balancer until the next deploy
    # begins, where the strategy has no outage.
    away_seconds: float | None = None
    is_kill: bool = False
    # Part of the selection that `make test` runs.
    is_short: bool = False
    limit_seconds: float = 600.0
    # How long to wait for a whole control plane where none has to come about by itself.
    settle_seconds: float = 90.0
