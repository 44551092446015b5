"""The page: one file that needs no network and no script."""

from __future__ import annotations

from datetime import datetime

import jinja2

from unstack.report.model import Report
from unstack.report.svg import seconds_text
from unstack.report.timeline import draw_timeline
from unstack.report.topology_picture import draw_topologies

_SOON_DAYS = 30


def render(report: Report, template: str) -> str:
    """The HTML of a report; whatever comes from a host or an inventory is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["seconds"] = seconds_text
    environment.filters["moment"] = _moment
    environment.filters["kind"] = _kind
    return environment.from_string(template).render(
        report=report,
        longest=max((stage.seconds for stage in report.stages), default=0) or 1,
        timeline=draw_timeline(report),
        topologies=list(draw_topologies(report)),
        tone=_tone(report.ending.result),
        soon_days=_SOON_DAYS,
    )


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")


def _tone(result: str) -> str:
    """The colour of the result: well, mended, or to be looked at."""
    if result in ("migrated", "nothing to do", "rolled back", "done"):
        return "well"
    return "mended" if result in ("brought back", "went on") else "bad"


def _kind(line: str) -> str:
    """The class of a line of a unified diff."""
    if line.startswith(("---", "+++", "@@")):
        return "meta"
    return {"+": "added", "-": "removed"}.get(line[:1], "same")
