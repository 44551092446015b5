"""NO_COLOR (https://no-color.org) for pyinfra's output, which knows nothing of it."""

from __future__ import annotations

import logging
import os
from typing import Any

import click
from pyinfra import logger
from pyinfra.api.output import set_echo, set_formatter


class _Plain(logging.Formatter):
    """What another formatter makes of a line, without its colours."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        return click.unstyle(self.formatter.format(record))


def respect_no_color() -> None:
    """Have pyinfra colour nothing on a terminal either, where NO_COLOR is set and not empty.

    For config.py, which is read before anything is coloured.
    """
    if not os.environ.get("NO_COLOR"):
        return
    for handler in logger.handlers:
        if handler.formatter is not None:
            handler.setFormatter(_Plain(handler.formatter))

    def echo(message: Any = None, **options: Any) -> None:
        click.echo(message, **{**options, "color": False})

    set_echo(echo)
    set_formatter(lambda text, *_styles, **_more: text)
    context = click.get_current_context(silent=True)
    if context is not None:
        context.color = False
