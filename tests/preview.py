"""The preview, what it lists, and what has become of the files that it is about."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from lab import Lab, Node
from tests.commands import ETCD_TREES, MASTER_TREES, Outcome, pyinfra

HOST = re.compile(r"^((?:master|etcd)-\d)$")
CHANGE = re.compile(r"^  (new|changed|removed) +(/\S+)")

Changes = dict[str, dict[str, str]]  # {host: {path: kind}}


def previewed(*options: str) -> tuple[Outcome, float]:
    """The preview, and how many seconds it took, pyinfra's start included."""
    begin = time.monotonic()
    outcome = pyinfra(*options, "inventories/lab.py", "tasks/plan.py")
    return outcome, time.monotonic() - begin


def listed(text: str) -> Changes:
    """The files that a preview lists."""
    found: Changes = {}
    host = ""
    for line in text.splitlines():
        if match := HOST.match(line):
            host = match[1]
            found[host] = {}
        elif match := CHANGE.match(line):
            assert match[2] not in found[host], line
            found[host][match[2]] = match[1]
    return found


def output(lab: Lab, node: Node, command: str) -> str:
    """What a command prints on a machine, where it must succeed."""
    status, text = lab.exec(node, command)
    assert status == 0, (node.name, text[-2000:])
    return text


def files(lab: Lab, node: Node) -> dict[str, str]:
    """{path: mode and sha256}; of a directory, whose path ends in "/", the mode. Not inside etcd's data."""
    trees = MASTER_TREES if node in lab.masters else ETCD_TREES
    listing = (
        f"for tree in {trees} /run/unstack; do [ ! -e $tree ] || find $tree -path '*/data/*' -prune"
        " -o -type d -printf '%p/\\t%m\\n' -o -type f -printf '%p\\t%m ' -exec sha256sum {} \\; ; done"
    )
    lines = (line.partition("\t") for line in output(lab, node, listing).splitlines())
    return {path: " ".join(words.split()[:2]) for path, _, words in lines}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """{path: new, changed or removed} of files, and of directories the new ones; a run's id is <run>."""
    kinds = {path: "removed" for path in before if path not in after}
    for path, content in after.items():
        if path not in before:
            kinds[path] = "new"
        elif before[path].split()[1:] != content.split()[1:]:
            kinds[path] = "changed"
    return {re.sub(r"\d{8}T\d{6}Z", "<run>", path): kind for path, kind in kinds.items()}


def compare(lab: Lab, foreseen: Changes, before: Mapping[str, Mapping[str, str]]) -> None:
    """What was listed is what has changed since, on every host; `before` is {host: `files` of then}."""
    for node in (*lab.masters, *lab.etcd):
        changes = changed(before[node.name], files(lab, node))
        found = {path: kind for path, kind in changes.items() if not path.endswith("/")}
        # The lock of a run is no part of the migration.
        found.pop("/run/unstack/lab.lock", None)
        mine = foreseen[node.name]
        assert {path: kind for path, kind in mine.items() if not path.endswith("/")} == found, node.name
        # Of directories only those are listed whose content is not.
        assert {path for path in mine if path.endswith("/")} <= set(changes), node.name
