"""The journal: one JSON object a line for all that a run did, complete after a crash too.

It holds names, hosts, results and durations, and never what a command was or printed: commands
and output may carry secrets.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

JOURNAL = "journal.jsonl"


def private_directory(path: Path) -> Path:
    """Make a directory, and its missing parents, that only their owner can enter; return it."""
    # mkdir gives missing parents the umask's mode, so each is made by itself.
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            directory.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, content: str) -> None:
    """Write a file of mode 0600 so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


class Journal:
    """Appends to `.unstack/<cluster>/journal.jsonl`; one `write` a line, so a kill tears none."""

    def __init__(self, directory: Path, run: str) -> None:
        self.path = private_directory(directory) / JOURNAL
        self.run = run

    def record(self, event: str, **fields: Any) -> None:
        """Append one line: the time (UTC), the run, the event and its fields."""
        line = {"time": datetime.now(timezone.utc).isoformat(), "run": self.run, "event": event}
        data = (json.dumps({**line, **fields}, sort_keys=False) + "\n").encode()
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)
        except OSError as error:
            # A full disk of the control node must not end a run in the middle of its outage.
            logging.getLogger("pyinfra").warning(f"    {self.path}: {error.strerror}: a line is lost")
