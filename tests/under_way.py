"""A pyinfra that has come to a certain step: it can be killed there, or something done beside it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

import pytest

from tests.commands import PYINFRA, REPOSITORY

_END_SECONDS = 400.0


@dataclass(frozen=True)
class UnderWay:
    """A run that goes on, and what it has printed up to its step."""

    process: subprocess.Popen[str]
    printed: list[str]

    def kill(self) -> None:
        """End it as a power failure of the control node would: nothing in it can react."""
        self.process.kill()
        self.process.wait(30)
        self._close()

    def finish(self) -> tuple[int, str]:
        """(exit status, all that it printed) once it has ended by itself."""
        assert self.process.stderr is not None
        text = "".join([*self.printed, *self.process.stderr])
        status = self.process.wait(_END_SECONDS)
        self._close()
        return status, text

    def _close(self) -> None:
        assert self.process.stderr is not None
        self.process.stderr.close()


def run_until(step: str, *arguments: str) -> UnderWay:
    """Run pyinfra from the repository's root until it prints a line with these words; it goes on.

    The test fails if it ends without.
    """
    process = subprocess.Popen(
        [str(PYINFRA), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    printed = []
    for line in process.stderr:
        printed.append(line)
        if step in line:
            return UnderWay(process, printed)
    status = process.wait(_END_SECONDS)
    pytest.fail(f"it ended with status {status} and never came to {step}: {''.join(printed[-20:])}")
