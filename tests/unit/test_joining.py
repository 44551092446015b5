"""Connections and writes to disk, tried by the scripts that a host runs."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.scripts import run_here
from unstack.joining import Connection, read_connections, read_sync_seconds


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_listener_is_told_from_a_port_that_refuses(listening: int) -> None:
    free = _free_port()
    done = run_here("try-connections", "2", f"127.0.0.1:{listening}", f"127.0.0.1:{free}")
    assert (done.returncode, done.stderr) == (0, "")
    found = {one.port: one for one in read_connections(done.stdout.splitlines())}
    assert found[listening].outcome == "connected"
    assert found[free].outcome == "refused"
    for one in found.values():
        assert one.is_answered
        assert one.seconds is not None
        assert 0 < one.seconds < 2


def test_a_port_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        # Linux answers no more than these while nobody accepts.
        waiting = []
        for _ in range(3):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        done = run_here("try-connections", "0.3", f"127.0.0.1:{port}")
        for one in waiting:
            one.close()
    (found,) = read_connections(done.stdout.splitlines())
    assert found.outcome == "no answer within 0.3 s"
    assert not found.is_answered
    assert found.seconds is None


def _report(*lines: str) -> list[str]:
    return [f"connection {base64.b64encode(line.encode()).decode()}" for line in lines]


def test_the_worst_outcome_counts_and_of_equal_ones_the_quickest() -> None:
    lines = ("10.0.0.1 2380 40.000 connected", "10.0.0.1 2380 2.500 connected")
    assert read_connections(_report(*lines)) == (Connection("10.0.0.1", 2380, "connected", 0.0025),)
    lines = (*lines, "10.0.0.1 2380 0.100 Connection refused")
    assert read_connections(_report(*lines)) == (Connection("10.0.0.1", 2380, "refused", 0.0001),)
    lines = (*lines, "10.0.0.1 2380 0.100 No route to host")
    assert read_connections(_report(*lines)) == (Connection("10.0.0.1", 2380, "No route to host", None),)


def test_an_address_of_version_six_is_taken_apart_at_its_last_colon() -> None:
    done = run_here("try-connections", "1", f"::1:{_free_port()}")
    (found,) = read_connections(done.stdout.splitlines())
    assert found.address == "::1"


def test_writes_are_timed_and_nothing_is_left(tmp_path: Path) -> None:
    done = run_here("try-disk", str(tmp_path / "not" / "there"))
    assert (done.returncode, done.stderr) == (0, "")
    seconds = read_sync_seconds(done.stdout.splitlines())
    assert len(seconds) == 32
    assert all(0 < one < 10 for one in seconds)
    assert list(tmp_path.iterdir()) == []
