"""pyinfra as an operator runs it, in a process of its own that can be paused, watched and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.tables import printable
from faults.errors import FaultError
from faults.points import DIRECTORY, PAUSE_AT, go, reached
from lab.paths import REPOSITORY

INVENTORY = "inventories/lab.py"
# The lab's inventory calls its cluster "lab".
CLUSTER = REPOSITORY / ".unstack" / "lab"
JOURNAL = CLUSTER / "journal.jsonl"
_POLL_SECONDS = 0.01
_REACH_SECONDS = 300.0


@dataclass(frozen=True)
class Pause:
    """Where a run is to wait, and the directory through which it is told to go on."""

    directory: Path
    point: str


@dataclass(frozen=True)
class Ended:
    """A run that is over; `begun` on the monotonic clock."""

    begun: float
    seconds: float
    # Exit status; the negative number of the signal where one ended it.
    status: int
    # It had to be killed because it did not end in its time.
    is_overdue: bool
    output: str
    # The lines that it wrote to the journal.
    journal: str


class Run:
    """A pyinfra process under way; its output goes to the end of `log`."""

    def __init__(
        self, log: Path, deploy: str, data: Mapping[str, str] | None = None, pause: Pause | None = None
    ) -> None:
        """Start it. Raises FaultError if there is no pyinfra beside this Python."""
        program = Path(sys.executable).with_name("pyinfra")
        if not program.exists():
            raise FaultError(f"there is no {program}: run this with the virtual environment's Python")
        settings = [word for key, value in (data or {}).items() for word in ("--data", f"{key}={value}")]
        arguments = ["-y", *settings, INVENTORY, deploy]
        environment = {**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"}
        if pause is not None:
            environment |= {DIRECTORY: str(pause.directory), PAUSE_AT: pause.point}
        self._pause = pause
        self._log = log
        self._journal_start = _size(JOURNAL)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"==> pyinfra {' '.join(arguments)}\n")
            stream.flush()
            self._log_start = stream.tell()
            self.begun = time.monotonic()
            self.process = subprocess.Popen(
                [str(program), *arguments],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def await_point(self) -> None:
        """Wait until it waits at its point; raises FaultError if it does not come there."""
        assert self._pause is not None
        file = reached(self._pause.directory, self._pause.point)
        while not file.exists():
            status = self.process.poll()
            if status is not None:
                raise FaultError(
                    f"the run ended with exit status {status} and never came to {self._pause.point};"
                    f" see {self._log}"
                )
            if time.monotonic() - self.begun > _REACH_SECONDS:
                raise FaultError(f"the run did not come to {self._pause.point} in {_REACH_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def go(self) -> None:
        """Let it go on from its point."""
        assert self._pause is not None
        go(self._pause.directory, self._pause.point).touch()

    def wait(self, seconds: float) -> Ended:
        """Wait until it has ended, which it is made to after `seconds` from now."""
        is_overdue = False
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            is_overdue = True
            self.end()
        return Ended(
            begun=self.begun,
            seconds=time.monotonic() - self.begun,
            status=self.process.returncode,
            is_overdue=is_overdue,
            output=printable(_rest(self._log, self._log_start)),
            journal=_rest(JOURNAL, self._journal_start),
        )

    def end(self) -> None:
        """Kill it unless it has ended: nothing may go on changing the lab behind a row's back."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _rest(file: Path, start: int) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as stream:
        stream.seek(start)
        return stream.read().decode(errors="replace")
