"""A look that is repeated shows each trouble once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pyinfra import logger

from unstack.repeats import told_once


@pytest.fixture
def shown() -> Iterator[list[str]]:
    """What the log shows meanwhile."""
    lines: list[str] = []

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, level = Shown(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(level)
    logger.removeHandler(handler)


def test_each_trouble_is_shown_once_and_everything_else_each_time(shown: list[str]) -> None:
    with told_once():
        for _ in range(3):
            logger.error("[etcd-1] no session")
            logger.warning("[etcd-2] no fact")
            logger.info("waiting")
    assert shown == ["[etcd-1] no session", "[etcd-2] no fact", "waiting", "waiting", "waiting"]


def test_a_later_wait_shows_it_anew(shown: list[str]) -> None:
    for _ in range(2):
        with told_once():
            logger.error("[etcd-1] no session")
    logger.error("[etcd-1] no session")
    assert shown == ["[etcd-1] no session"] * 3
