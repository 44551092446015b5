"""The cluster before and after: masters on the left, external members on the right, and who asks whom."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from unstack.report.model import Lane, Report
from unstack.report.svg import Picture
from unstack.topology import ETCD, MASTERS

_WIDTH = 400.0
_MASTER_X, _MASTER_WIDTH, _MASTER_HEIGHT = 4.0, 226.0, 72.0
_MEMBER_X, _MEMBER_WIDTH, _MEMBER_HEIGHT = 278.0, 118.0, 60.0
_TOP, _GAP = 22.0, 12.0


def draw_topologies(report: Report) -> Iterator[tuple[str, Markup]]:
    """(heading, picture): before and after, or one where they are the same or nobody knows."""
    ending = report.ending
    if not ending.after:
        yield "The hosts of this run", _draw(report, "", at_rest=False)
    elif ending.before == ending.after:
        yield "Before and after", _draw(report, ending.after, at_rest=ending.stacked_at_rest)
    else:
        yield "Before", _draw(report, ending.before, at_rest=ending.before == "external")
        yield "After", _draw(report, ending.after, at_rest=ending.stacked_at_rest)


def _draw(report: Report, placement: str, *, at_rest: bool) -> Markup:
    masters = [lane for lane in report.hosts if lane.group == MASTERS]
    members = [lane for lane in report.hosts if lane.group == ETCD]
    tall = max(len(masters) * (_MASTER_HEIGHT + _GAP), len(members) * (_MEMBER_HEIGHT + _GAP))
    named = {"stacked": "stacked etcd", "external": "external etcd"}.get(placement, "etcd")
    picture = Picture(_WIDTH, _TOP + tall, f"{len(masters)} masters and {len(members)} hosts for {named}")
    picture.text(_MASTER_X, 13, "masters", "small")
    picture.text(_MEMBER_X, 13, "etcd hosts", "small")
    rows = {lane.host: _row(index, len(masters), _MASTER_HEIGHT, tall) for index, lane in enumerate(masters)}
    rows |= {lane.host: _row(index, len(members), _MEMBER_HEIGHT, tall) for index, lane in enumerate(members)}
    for lane in masters:
        _draw_master(picture, lane, rows[lane.host], placement, at_rest)
    for lane in members:
        _draw_member(picture, lane, rows[lane.host], placement)
    if placement == "external":
        for master in masters:
            for member in members:
                _wire(picture, rows[master.host] + 52, rows[member.host] + _MEMBER_HEIGHT / 2)
    return picture.markup()


def _row(index: int, count: int, height: float, tall: float) -> float:
    """The top of a box, of `count` boxes in the middle of the picture."""
    return _TOP + (tall - count * (height + _GAP)) / 2 + index * (height + _GAP)


def _wire(picture: Picture, y1: float, y2: float) -> None:
    left, right = _MASTER_X + 108, _MEMBER_X
    middle = (_MASTER_X + _MASTER_WIDTH + right) / 2
    picture.path(
        f"M{left:.1f} {y1:.1f}H{_MASTER_X + _MASTER_WIDTH:.1f}"
        f"C{middle + 10:.1f} {y1:.1f} {middle - 10:.1f} {y2:.1f} {right:.1f} {y2:.1f}",
        "wire",
    )


def _draw_master(picture: Picture, lane: Lane, y: float, placement: str, at_rest: bool) -> None:
    picture.box(_MASTER_X, y, _MASTER_WIDTH, _MASTER_HEIGHT, "host", f"{lane.host}, {lane.address}", round=7)
    picture.fitted(_MASTER_X + 10, y + 18, 112, lane.host, "name", size=12)
    picture.fitted(_MASTER_X + _MASTER_WIDTH - 10, y + 18, 100, lane.address, "mono", size=10.5, anchor="end")
    _chip(picture, _MASTER_X + 10, y + 30, 98, "kube-apiserver", "chip masters")
    if placement == "stacked":
        picture.path(f"M{_MASTER_X + 108:.1f} {y + 45:.1f}h26", "wire")
        _chip(picture, _MASTER_X + 134, y + 30, 82, "etcd", "chip etcd")
    elif placement == "external":
        # Low enough for the wires to pass below.
        text = "etcd at rest" if at_rest else "etcd, unused"
        _chip(picture, _MASTER_X + 134, y + 28, 82, text, "chip rest", height=18)
    else:
        _chip(picture, _MASTER_X + 134, y + 30, 82, "etcd", "chip rest")


def _draw_member(picture: Picture, lane: Lane, y: float, placement: str) -> None:
    in_use = placement == "external"
    kind = "host" if in_use else "host rest"
    picture.box(_MEMBER_X, y, _MEMBER_WIDTH, _MEMBER_HEIGHT, kind, f"{lane.host}, {lane.address}", round=7)
    picture.fitted(_MEMBER_X + 9, y + 17, _MEMBER_WIDTH - 16, lane.host, "name", size=12)
    picture.fitted(_MEMBER_X + 9, y + 31, _MEMBER_WIDTH - 16, lane.address, "mono", size=10.5)
    text, chip = ("etcd", "chip etcd") if in_use else ("not in use", "chip rest")
    _chip(picture, _MEMBER_X + 9, y + 36, _MEMBER_WIDTH - 18, text, chip, height=18)


def _chip(
    picture: Picture, x: float, y: float, width: float, text: str, kind: str, height: float = 30
) -> None:
    picture.box(x, y, width, height, kind, round=5)
    picture.text(x + width / 2, y + height / 2 + 4, text, f"tiny {kind}-text", anchor="middle")
