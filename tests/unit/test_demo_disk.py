"""The disk's own time is measured beside a test."""

from __future__ import annotations

import os
import time

from demo import disk


def test_the_longest_write_and_its_time_are_kept_and_nothing_is_left(tmp_path, monkeypatch):
    sync, times = os.fdatasync, iter([0.0, 0.3, 0.0])

    def slow(number: int) -> None:
        time.sleep(next(times, 0.0))
        sync(number)

    monkeypatch.setattr(disk.os, "fdatasync", slow)
    begin = time.time()
    with disk.watched(tmp_path) as found:
        time.sleep(0.8)
    (slow_one,) = found.slow
    assert 0.3 <= slow_one.seconds == found.longest_seconds < 1
    assert begin + 0.1 <= slow_one.begin <= begin + 0.8
    assert list(tmp_path.iterdir()) == []
