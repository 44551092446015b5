"""Inline SVG, made as a tree: it is well-formed, and every text in it is escaped, whatever it holds.

Colours and fonts come from the page's style sheet by class, so that a picture follows light and dark.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from markupsafe import Markup

# What XML 1.0 can't hold, escaped or not.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELLIPSIS = "…"
_CHARACTER = 0.58  # a character's mean width in font sizes, for a sans-serif font


class Picture:
    """An SVG that is drawn from back to front; sizes and places are in its own units, about pixels."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.root = ET.Element("svg", {"viewBox": f"0 0 {_n(width)} {_n(height)}", "role": "img"})
        self.root.set("aria-label", _legal(title))
        self.root.set("style", f"--w:{_n(width)}px")

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, tip: str = "", round: int = 4
    ) -> None:
        """A rectangle of the class `kind`; `tip` is shown where a pointer rests on it."""
        places = {"x": _n(x), "y": _n(y), "width": _n(max(width, 0)), "height": _n(max(height, 0))}
        element = ET.SubElement(self.root, "rect", {**places, "rx": str(round), "class": kind})
        if tip:
            ET.SubElement(element, "title").text = _legal(tip)

    def text(self, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> None:
        """A line of text on the base line `y`; `anchor` is start, middle or end."""
        places = {"x": _n(x), "y": _n(y), "class": kind, "text-anchor": anchor}
        ET.SubElement(self.root, "text", places).text = _legal(text)

    def fitted(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        kind: str = "",
        *,
        size: float,
        anchor: str = "start",
    ) -> None:
        """As `text`, cut to about `width` at this font size; the whole of it is shown under a pointer."""
        shown = shortened(text, width, size)
        self.text(x, y, shown, kind, anchor=anchor)
        if shown != text:
            ET.SubElement(self.root[-1], "title").text = _legal(text)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line."""
        places = {"x1": _n(x1), "y1": _n(y1), "x2": _n(x2), "y2": _n(y2), "class": kind}
        ET.SubElement(self.root, "line", places)

    def path(self, path: str, kind: str, tip: str = "") -> None:
        """A path, by SVG's own commands."""
        element = ET.SubElement(self.root, "path", {"d": path, "class": kind})
        if tip:
            ET.SubElement(element, "title").text = _legal(tip)

    def cross(self, x: float, y: float, tip: str) -> None:
        """The mark of a failure, around its middle."""
        self.path(f"M{_n(x - 4)} {_n(y - 4)}l8 8m0-8l-8 8", "cross", tip)

    def markup(self) -> Markup:
        """The element, for a page that escapes everything else."""
        return Markup(ET.tostring(self.root, encoding="unicode"))


def shortened(text: str, width: float, size: float) -> str:
    """The text, or as much of it as fits about `width` at this font size, with an ellipsis."""
    fitting = int(width / (size * _CHARACTER))
    return text if len(text) <= fitting else text[: max(fitting - 1, 0)].rstrip() + _ELLIPSIS


def seconds_text(seconds: float) -> str:
    """ "0.13 s", "12.7 s", "3 min 05 s"."""
    if seconds >= 120:
        return f"{int(seconds // 60)} min {int(seconds % 60):02} s"
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{seconds:.2f} s"


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
