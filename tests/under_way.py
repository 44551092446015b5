"""A pyinfra that has come to a certain step: it can be killed there, or something done beside it."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass

import pytest

from tests.commands import start

# Its log has ended, or it was killed.
_END_SECONDS = 30.0


@dataclass(frozen=True)
class UnderWay:
    """A run that goes on, and what it has printed up to its step."""

    process: subprocess.Popen[bytes]
    printed: list[str]

    def kill(self) -> None:
        """End it as a power failure of the control node would: nothing in it can react."""
        with self.process:
            self.process.kill()
            assert self.process.wait(_END_SECONDS) == -signal.SIGKILL, "it had ended before"

    def finish(self) -> tuple[int, str]:
        """(exit status, all that it printed) once it has ended by itself."""
        with self.process:
            assert self.process.stderr is not None
            text = "".join([*self.printed, *(line.decode() for line in self.process.stderr)])
            return self.process.wait(_END_SECONDS), text


def run_until(step: str, *arguments: str) -> UnderWay:
    """Run pyinfra from the repository's root until it prints a line with these words; it goes on.

    The test fails if it ends without.
    """
    process = start(*arguments)
    assert process.stderr is not None
    printed: list[str] = []
    for line in process.stderr:
        printed.append(line.decode())
        if step in printed[-1]:
            return UnderWay(process, printed)
    status = process.wait(_END_SECONDS)
    pytest.fail(f"it ended with status {status} and never came to {step}: {''.join(printed[-20:])}")
