"""Where the lab keeps things, and the keys under which built things are cached."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
RECIPES = PACKAGE / "recipes"

# Facts of the running lab: ignored by git, thrown away with the lab.
STATE = REPOSITORY / ".lab"


def cache() -> Path:
    """The folder of built things; shared by all checkouts on this machine, safe to delete."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "unstack-lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the machine's lab alone; raises LabError while another command changes it."""
    with (cache() / "lock").open("w") as stream:
        try:
            # The kernel drops it with the process, however that ends.
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("another command is changing the lab: wait until it is done") from error
        yield


def recipe_key(recipes: Iterable[str], *more: str) -> str:
    """Twelve hex digits that change when one of these recipe files, or `more`, changes.

    + recipes: files or folders below ``recipes/``
    + more: whatever else the result depends on, such as the keys of what it is built from
    """
    digest = hashlib.sha256()
    for name in recipes:
        path = RECIPES / name
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            digest.update(file.relative_to(RECIPES).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
    for text in more:
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()[:12]
