"""How quick this machine's disk is meanwhile: etcd waits for it at every write, whatever is tested."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.gaps import Gap

_PAUSE_SECONDS = 0.1
# What takes longer is kept: a disk that does this to etcd holds up a write that somebody waits for.
_SLOW_SECONDS = 0.1
_BLOCK = bytes(4096)


class Disk:
    """Those small writes to the disk that took long, in Unix time."""

    def __init__(self) -> None:
        self.slow: list[Gap] = []

    @property
    def longest_seconds(self) -> float:
        """The longest of them; 0 where all were quick."""
        return max((one.seconds for one in self.slow), default=0.0)

    def _write(self, directory: Path, over: threading.Event) -> None:
        with tempfile.TemporaryFile(dir=directory) as file:
            # The first one makes the file, and waits for whatever else the filesystem has to note.
            file.write(_BLOCK)
            file.flush()
            os.fsync(file.fileno())
            while not over.wait(_PAUSE_SECONDS):
                begin, since = time.time(), time.monotonic()
                file.seek(0)
                file.write(_BLOCK)
                file.flush()
                os.fdatasync(file.fileno())
                if (seconds := time.monotonic() - since) > _SLOW_SECONDS:
                    self.slow.append(Gap(begin, begin + seconds))


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
