"""The one error type of the lab."""

from __future__ import annotations


class LabError(Exception):
    """What went wrong and what to do, in one line for the person at the terminal."""
