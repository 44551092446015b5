"""The commands that the documents tell a reader to type, in their order, and where to type each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tests.commands import REPOSITORY

DOCUMENTS = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")))
INVENTORY = "inventories/prod.py"  # the documents' example
FENCE = re.compile(r"^ *(?:```|~~~)(.*)$")
INLINE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"^#+ +(.*)$")
CONTINUED = re.compile(r" *\\\n *")
COMMENT = re.compile(r"\s+#\s.*$")

# "block" is an indented block or a fenced one of shell, "picture" any other fenced one.
Kind = Literal["block", "picture", "inline"]
Place = Literal["control node", "anywhere", "master", "etcd host", "new etcd host", "new master"]

# What begins with one of these, and goes on, is a command wherever it stands.
PROGRAMS = re.compile(
    r"(\.|cd|chmod|cp|curl|docker|etcdctl|etcdutl|git|journalctl|kubeadm|kubectl|ls|make|mkdir|mv|nc|openssl"
    r"|pyinfra|python|rm|ss|systemctl|tr) \S"
)
# Where these are typed need not be said.
AT_HOME: dict[str, Place] = {
    **dict.fromkeys((".", "git", "make", "pyinfra", "python"), "control node"),
    "kubectl": "anywhere",
}
# How a document says where the next commands are typed; the last one of a section holds.
SAID = re.compile(
    r"\b(?:on|from) (?:an?|any|one|each|every|the|that) (new )?(?:healthy )?"
    r"(etcd host|member|master|control node|host|node)\b",
    re.IGNORECASE,
)
HOSTS: dict[str, Place] = {
    "etcd host": "etcd host",
    "member": "etcd host",
    "master": "master",
    "control node": "control node",
    "new host": "new etcd host",
    "new etcd host": "new etcd host",
    "new master": "new master",
    "new node": "new master",
}


@dataclass(frozen=True)
class Fragment:
    """A line of a block, or an inline code, with the section's text before it."""

    section: str
    before: str
    kind: Kind
    text: str


@dataclass(frozen=True)
class Command:
    """A command as it stands in a document, without its comment."""

    document: str  # relative to the repository
    section: str
    text: str
    place: Place | None  # None where the document does not say it


def fragments(text: str) -> Iterator[Fragment]:
    """Each line of fenced and indented blocks, and each inline code, of a document in its order."""
    section, before, paragraph = "", "", ""
    fence: Kind | None = None

    def inline() -> Iterator[Fragment]:
        for match in INLINE.finditer(paragraph):
            yield Fragment(section, before + paragraph[: match.start()], "inline", " ".join(match[2].split()))

    for line in [*CONTINUED.sub(" ", text).splitlines(), ""]:
        fenced, heading = FENCE.match(line), HEADING.match(line)
        is_block = fence is not None or line.startswith("    ")
        if is_block or fenced or heading or not line.strip():
            yield from inline()
            before, paragraph = before + paragraph, ""
        if fenced:
            shell: Kind = "block" if fenced[1].strip() in ("sh", "shell", "bash") else "picture"
            fence = shell if fence is None else None
        elif is_block and line.strip():
            yield Fragment(section, before, fence or "block", line.strip())
        elif heading:
            section, before = heading[1], ""
        else:
            paragraph += line + "\n"


def code(text: str) -> Iterator[str]:
    """Each line of fenced and indented blocks, and each inline code, of a document in its order."""
    return (fragment.text for fragment in fragments(text))


def commands(document: str, text: str) -> Iterator[Command]:
    """Each command of a document in its order.

    Every line of a block is one. An inline code is one where it begins with a program and goes on.
    """
    for one in fragments(text):
        typed = COMMENT.sub("", one.text)
        if one.kind == "block" or (one.kind == "inline" and PROGRAMS.match(typed)):
            place = AT_HOME.get(typed.split()[0]) or _said(one.before)
            yield Command(document, one.section, typed, place)


def every_command() -> Iterator[Command]:
    """The commands of all documents."""
    for path in DOCUMENTS:
        yield from commands(path.relative_to(REPOSITORY).as_posix(), path.read_text())


def _said(before: str) -> Place | None:
    found = None
    for match in SAID.finditer(before):
        # "on that host" goes on with the host of before.
        found = HOSTS.get(f"{(match[1] or '').lower()}{match[2].lower()}", found)
    return found
