"""The commands that the documents tell a reader to type."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.commands import REPOSITORY

DOCUMENTS = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
FENCE = re.compile(r"^ *(```|~~~)")
INLINE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)


def code(text: str) -> Iterator[str]:
    """Each line of fenced and indented blocks, and each inline code, of a document."""
    prose, fenced = [], False
    for line in text.replace("\\\n", " ").splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()
        else:
            prose.append(line)
    for paragraph in "\n".join(prose).split("\n\n"):
        for match in INLINE.finditer(paragraph):
            yield " ".join(match[2].split())
