"""Plain text tables: aligned, no control characters, fit for a log."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float | None
_COLUMN_GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Lines of a table, without a newline at the end.

    Columns of numbers are aligned to the right, floats have one decimal, None is a dash. Raises
    ValueError if a row has not as many cells as there are headers.
    """
    for row in rows:
        if len(row) != len(headers):
            raise ValueError(f"{len(row)} cells for {len(headers)} headers: {row!r}")
    texts = [list(headers), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in texts) for column in range(len(headers))]
    numeric = [_is_numeric([row[column] for row in rows]) for column in range(len(headers))]
    texts.insert(1, ["-" * width for width in widths])
    lines = []
    for line in texts:
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        lines.append(_COLUMN_GAP.join(cells).rstrip())
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text without what a terminal would obey: colours, cursor movements, other controls."""
    plain = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\x1b":
            position = _end_of_escape(text, position)
            continue
        if character in "\n\t" or character.isprintable():
            plain.append(character)
        position += 1
    return "".join(plain)


def _end_of_escape(text: str, start: int) -> int:
    """Position behind the escape sequence that begins at `start`."""
    position = start + 1
    if text[position : position + 1] != "[":
        return position + 1
    position += 1
    while position < len(text) and not "@" <= text[position] <= "~":
        position += 1
    return position + 1


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.1f}"
    return str(cell)


def _is_numeric(cells: Sequence[Cell]) -> bool:
    numbers = [cell for cell in cells if cell is not None]
    return bool(numbers) and all(isinstance(cell, int | float) for cell in numbers)
