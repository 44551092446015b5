"""What differs between two versions of a file, with nothing in it that opens a door."""

from __future__ import annotations

import difflib

from unstack.report.masking import masked
from unstack.report.source import Change


def diff_lines(change: Change, context: int = 3) -> tuple[str, ...]:
    """A unified diff; both texts are masked before they are compared, so no secret is in the context."""
    old, new = (masked(text).splitlines() for text in (change.old, change.new))
    names = (f"{change.file} (before)", f"{change.file} (after)")
    return tuple(difflib.unified_diff(old, new, *names, lineterm="", n=context))
