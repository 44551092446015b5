"""The lines of a static pod's manifest that hold flags, found in its text and replaced by others."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

# A list item of one flag, with the quotes that a hand may have put around it.
_ITEM = re.compile(
    r"""^(?P<indent>\s*)(?P<item>- (?P<quote>["']?)--(?P<name>[a-z-]+)=.*(?P=quote)\s*(#.*)?)$"""
)


@dataclass(frozen=True)
class FlagLine:
    """One flag's line in a manifest."""

    number: int  # from 0
    name: str
    indent: str
    item: str  # from its dash on, without the line's ending

    @property
    def note(self) -> str:
        """What somebody noted behind the flag, with the spaces before it; "" where there is none."""
        found = re.search(r"\s+#.*$", self.item)
        return found[0] if found else ""


def flag_lines(text: str, names: Collection[str]) -> Iterator[FlagLine]:
    """The lines of the flags of these names, from the first to the last."""
    for number, line in enumerate(text.splitlines()):
        match = _ITEM.match(line)
        if match and match["name"] in names:
            yield FlagLine(number, match["name"], match["indent"], match["item"])


def with_flag_lines(text: str, names: Collection[str], items: Iterable[str]) -> str:
    """`text` with `items` in the place of the first line of these flags, and without the others.

    Returns `text` as it is where none of these flags has a line.
    """
    lines = text.splitlines(keepends=True)
    for index, place in enumerate(flag_lines(text, names)):
        ending = "\r\n" if lines[place.number].endswith("\r\n") else "\n"
        new = items if index == 0 else ()
        lines[place.number] = "".join(f"{place.indent}{item}{ending}" for item in new)
    return "".join(lines)
