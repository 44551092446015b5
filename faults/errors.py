"""The errors of this package."""

from __future__ import annotations

from docker.errors import DockerException

from demo.errors import DemoError
from lab.errors import LabError


class FaultError(Exception):
    """A row cannot go on; the text is one line that says what is wrong."""


# What a row may meet without ending the others: the lab's, the engine's and the network's own too.
EXPECTED_ERRORS = (FaultError, DemoError, LabError, DockerException, OSError)


def told(error: BaseException) -> str:
    """An error as one line."""
    return " ".join(str(error).split()) or type(error).__name__
