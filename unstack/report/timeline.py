"""The timeline: the stages to scale, and below them each host's operations.

Most stages of a migration last a second and one lasts ten, so the lanes are widened stage by stage:
within a stage the scale is even, and its duration is written on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from unstack.report.model import Lane, Operation, Outage, Report, Stage
from unstack.report.svg import Picture, seconds_text, shortened

_LABELS = 112.0  # the hosts' names, on the left
_WIDTH = 868.0  # of the time beside them
_NARROWEST = 56.0  # a stage with its name and its duration
_STRIP, _STAGES, _LANES, _LANE = 22.0, 72.0, 118.0, 28.0
_BRIEF = 0.03  # seconds; below it an operation had nothing to do


@dataclass(frozen=True)
class Scale:
    """From offsets in seconds to x, piece by piece: the first and last of `times` are the ends."""

    times: tuple[float, ...]
    places: tuple[float, ...]

    def __call__(self, offset: float) -> float:
        """The x of an offset; one before or after the run is at its end."""
        pairs = list(zip(self.times, self.places, strict=True))
        if offset <= self.times[0]:
            return self.places[0]
        for (begin, left), (end, right) in itertools.pairwise(pairs):
            if offset <= end:
                return left + (right - left) * (offset - begin) / (end - begin) if end > begin else right
        return self.places[-1]


def _widened(stages: Sequence[Stage]) -> Scale:
    spare = max(_WIDTH - _NARROWEST * len(stages), _NARROWEST)
    total = sum(stage.seconds for stage in stages) or 1.0
    times, places = [stages[0].start], [_LABELS]
    for stage in stages:
        times.append(stage.start + stage.seconds)
        places.append(places[-1] + _NARROWEST + spare * stage.seconds / total)
    return Scale(tuple(times), tuple(places))


def draw_timeline(report: Report) -> Markup:
    """The picture of a run that recorded anything; else nothing."""
    if not report.stages:
        return Markup("")
    stages = report.stages
    wide = _widened(stages)
    right = wide.places[-1]
    end = max(wide.times[-1], report.stages[0].start + 0.001)
    bottom = _LANES + _LANE * len(report.hosts)
    picture = Picture(right + 8, bottom + 26, f"Stages and operations of run {report.run}")
    _draw_strip(picture, report, Scale((wide.times[0], end), (_LABELS, right)))
    for index, lane in enumerate(report.hosts):
        y = _LANES + _LANE * index
        picture.box(0, y, right, _LANE, "lane odd" if index % 2 else "lane", round=0)
        picture.fitted(4, y + 18, _LABELS - 12, lane.host, "name", size=12)
    for outage in report.outages:
        _draw_outage(picture, outage, wide, bottom)
    _draw_stages(picture, stages, wide, bottom)
    for index, lane in enumerate(report.hosts):
        _draw_operations(picture, lane, wide, _LANES + _LANE * index)
    return picture.markup()


def _draw_strip(picture: Picture, report: Report, even: Scale) -> None:
    picture.text(4, _STRIP + 10, "to scale", "small")
    for index, stage in enumerate(report.stages):
        left, right = even(stage.start), even(stage.start + stage.seconds)
        kind = "failed" if stage.result == "failed" else f"strip{index % 2}"
        picture.box(left, _STRIP, right - left, 14, kind, _tip(stage), round=0)
    for outage in report.outages:
        left, right = even(outage.start), even(outage.end if outage.end is not None else even.times[-1])
        picture.box(left, _STRIP - 3, right - left, 20, "outage", _outage_text(outage), round=0)
        anchor, x = ("end", right) if (left + right) / 2 > even.places[-1] * 0.6 else ("start", left)
        picture.text(x, _STRIP - 8, _outage_text(outage), "alert", anchor=anchor)


def _draw_outage(picture: Picture, outage: Outage, wide: Scale, bottom: float) -> None:
    left = wide(outage.start)
    right = wide(outage.end if outage.end is not None else wide.times[-1])
    top = _STAGES - 20
    picture.box(left, top, right - left, bottom - top, "outage", _outage_text(outage), round=0)
    picture.fitted(left + 5, top + 13, right - left, _outage_text(outage), "alert", size=11)


def _draw_stages(picture: Picture, stages: Sequence[Stage], wide: Scale, bottom: float) -> None:
    picture.text(4, _STAGES + 16, "stages", "small")
    picture.text(4, _STAGES + 31, "widened", "small")
    for index, stage in enumerate(stages):
        left, right = wide.places[index], wide.places[index + 1]
        kind = {"failed": "failed", "way back": "back"}.get(stage.result, "stage")
        picture.box(left + 1, _STAGES, right - left - 2, 38, kind, _tip(stage))
        middle = (left + right) / 2
        picture.fitted(middle, _STAGES + 16, right - left - 4, stage.name, "on", size=11, anchor="middle")
        picture.text(middle, _STAGES + 31, seconds_text(stage.seconds), "on small", anchor="middle")
        picture.line(right, _STAGES + 40, right, bottom + 4, "tick")
        if stage.result == "failed":
            picture.cross(right - 8, _STAGES + 8, f"{stage.name} failed")
        after = stage.start + stage.seconds
        picture.text(right, bottom + 17, f"+{after:.1f}", "small", anchor="end" if index else "middle")
    picture.text(4, bottom + 17, "seconds", "small")


def _draw_operations(picture: Picture, lane: Lane, wide: Scale, y: float) -> None:
    for operation in lane.operations:
        left, right = wide(operation.start), wide(operation.start + operation.seconds)
        tip = f"{operation.name} on {lane.host}: {operation.result}, {seconds_text(operation.seconds)}"
        if operation.failed:
            picture.box(left, y + 6, max(right - left, 3), 16, "failed", tip, round=2)
            picture.cross(max(right, left + 3) + 7, y + 14, tip)
        elif operation.seconds < _BRIEF:
            picture.box(left, y + 10, 1.2, 8, "brief", tip, round=0)
        else:
            picture.box(left, y + 6, max(right - left, 1.5), 16, f"bar {lane.group}", tip, round=2)
        _label(picture, operation, left, right, y)


def _label(picture: Picture, operation: Operation, left: float, right: float, y: float) -> None:
    room = right - left - 8
    if room >= 60 and len(shortened(operation.name, room, 10)) >= 8:
        picture.fitted(left + 4, y + 17.5, room, operation.name, "on tiny", size=10)


def _tip(stage: Stage) -> str:
    return f"{stage.name}: {stage.result}, {seconds_text(stage.seconds)}"


def _outage_text(outage: Outage) -> str:
    if outage.seconds is None:
        return "API away, and still so at the end"
    return f"API away {seconds_text(outage.seconds)}"
