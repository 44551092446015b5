"""How quick this machine's disk is meanwhile: etcd waits for it at every write, whatever is tested."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.1
_BLOCK = bytes(4096)


class Disk:
    """The longest of small writes to the disk, in seconds, and when it began (Unix time)."""

    longest_seconds = 0.0
    begin = 0.0

    def _write(self, directory: Path, over: threading.Event) -> None:
        with tempfile.TemporaryFile(dir=directory) as file:
            while not over.wait(_PAUSE_SECONDS):
                begin, since = time.time(), time.monotonic()
                file.seek(0)
                file.write(_BLOCK)
                file.flush()
                os.fdatasync(file.fileno())
                if (seconds := time.monotonic() - since) > self.longest_seconds:
                    self.longest_seconds, self.begin = seconds, begin


@contextmanager
def watched(directory: Path) -> Iterator[Disk]:
    """Write a little to the disk of this directory, ten times a second, as long as the block lasts."""
    disk, over = Disk(), threading.Event()
    thread = threading.Thread(target=disk._write, args=(directory, over), daemon=True)
    thread.start()
    try:
        yield disk
    finally:
        over.set()
        thread.join()
