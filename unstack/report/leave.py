"""Where a run leaves its report. What goes wrong here must not change how the run ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra import logger

from unstack.journal import private_directory, write_private
from unstack.report.build import build
from unstack.report.html import render
from unstack.report.source import Source, read_lines

if TYPE_CHECKING:
    from unstack.run import Run

_TEMPLATE = Path("templates/report.html.j2")


def leave_report(run: Run) -> None:
    """Write report.html and report.json to `.unstack/<cluster>/reports/<run>`. Raises nothing."""
    try:
        directory = write_report(
            Source(
                run=run.id,
                started=run.started,
                finished=time.time(),
                topology=run.topology,
                directory=run.directory,
                planned=tuple(run.planned),
                results=run.results,
                changes=run.changes,
                lines=read_lines(run.journal.path),
            )
        )
    # A full disk, a template that somebody edited: the run itself has ended by now.
    except Exception as error:
        logger.warning(f"    no report could be written: {type(error).__name__}: {error}")
        logger.debug("the warning above came from here", exc_info=error)
    else:
        logger.info(f"    the report of this run: {directory / 'report.html'}")


def write_report(source: Source) -> Path:
    """Write both files, readable by their owner alone; returns their directory."""
    report = build(source)
    page = render(report, _TEMPLATE.read_text(encoding="utf-8"))
    directory = private_directory(source.directory / "reports" / source.run)
    write_private(directory / "report.json", report.as_json())
    write_private(directory / "report.html", page)
    return directory
