"""What goes wrong anew at each look is told once, not five times a second."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pyinfra import logger


class _Repeats(logging.Filter):
    """Lets each warning and each error through once; what is no trouble is not touched."""

    def __init__(self) -> None:
        super().__init__()
        self._told: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        text = record.getMessage()
        is_new = text not in self._told
        self._told.add(text)
        return is_new


@contextmanager
def told_once() -> Iterator[None]:
    """Show each of pyinfra's warnings and errors once as long as the block lasts.

    For a wait that asks again and again, of which a host that is gone is a part.
    """
    repeats = _Repeats()
    logger.addFilter(repeats)
    try:
        yield
    finally:
        logger.removeFilter(repeats)
