"""Progress lines: what is being done, for how long, and never silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START = time.monotonic()
# Nothing is silent for more than five seconds.
_HEARTBEAT_SECONDS = 4.5
_print_lock = threading.Lock()


def say(text: str) -> None:
    """Print one line with the time since the program started."""
    elapsed = int(time.monotonic() - _START)
    with _print_lock:
        print(f"[{elapsed // 60:02d}:{elapsed % 60:02d}] {text}", flush=True)


class Step:
    """A step under way; `detail` is what its next sign of life tells."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Announce a step, repeat a sign of life while it lasts, tell how long it took."""
    current = Step(title)
    started = time.monotonic()
    finished = threading.Event()

    def heartbeat() -> None:
        while not finished.wait(_HEARTBEAT_SECONDS):
            detail = f": {current.detail}" if current.detail else ""
            say(f"  ... {title}, {time.monotonic() - started:.0f} s{detail}")

    say(f"{title} ...")
    thread = threading.Thread(target=heartbeat, daemon=True)
    thread.start()
    try:
        yield current
    finally:
        finished.set()
        thread.join()
    say(f"{title}: done in {time.monotonic() - started:.1f} s")
