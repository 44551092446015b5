"""The errors of this package."""

from __future__ import annotations

from docker.errors import DockerException

from demo.errors import DemoError
from lab.errors import LabError


class ExperimentError(Exception):
    """A situation cannot be built or measured; the text is one line that says what is wrong."""


# What may end one situation without ending the others.
EXPECTED_ERRORS = (ExperimentError, DemoError, LabError, DockerException, OSError)
