"""Writers: one per API server and one through the load balancer, remembering what was promised.

A write counts only if the API server has acknowledged it (HTTP 201). Whatever else happens, a
refusal, a reset, a timeout, the writer goes on with the next number: a write whose fate is unknown
can't be missing.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from demo.api import ApiClient, TimedOut, Unanswered
from demo.errors import DemoError
from demo.gaps import Gap, longest_gap
from demo.objects import CONFIG_MAPS, config_map
from lab import Lab

LOAD_BALANCER = "load-balancer"
# A request that hangs must not hide for long that the API is back.
_TIMEOUT_SECONDS = 1.0
_PAUSE_AFTER_FAILURE_SECONDS = 0.04
# Two cores carry three API servers and all the rest; the writers must not be the load.
WRITES_PER_SECOND = 10.0


def entrances(lab: Lab) -> dict[str, str]:
    """{name of a writer: host:port} for one through every API server and one through the load balancer."""
    return {**lab.api_servers, LOAD_BALANCER: lab.load_balancer}


@dataclass(frozen=True)
class Acknowledged:
    """One promised write; `moment` is when the answer had arrived, on the monotonic clock."""

    name: str
    uid: str
    moment: float


@dataclass(frozen=True)
class Failed:
    """One request that was not acknowledged: why, and when that was known, on the monotonic clock.

    `is_given_up` where nobody refused or cut it: the client's own deadline was over.
    """

    reason: str
    moment: float
    is_given_up: bool = False


@dataclass
class Record:
    """What one writer did between `begin` and `end` (monotonic clock, seconds)."""

    writer: str
    begin: float
    # Wall clock minus monotonic clock, taken once: an adjusted clock must not make a gap.
    wall_offset: float
    end: float | None = None
    attempts: int = 0
    acknowledged: list[Acknowledged] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    def names(self) -> dict[str, str]:
        """The acknowledged ConfigMaps: name -> UID."""
        return {write.name: write.uid for write in tuple(self.acknowledged)}

    def longest_gap(self) -> Gap:
        """The longest time without an acknowledged write, in Unix time."""
        moments = [write.moment for write in tuple(self.acknowledged)]
        end = time.monotonic() if self.end is None else self.end
        return longest_gap(moments, self.begin, end).shifted(self.wall_offset)

    def last_acknowledged(self) -> float | None:
        """When the newest acknowledgement arrived, on the monotonic clock."""
        return self.acknowledged[-1].moment if self.acknowledged else None


class Writers:
    """The writers of one phase; each phase has a prefix of its own, so that no names collide."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        context: ssl.SSLContext,
        prefix: str = "unstack-writer",
        writes_per_second: float = WRITES_PER_SECOND,
    ) -> None:
        """`addresses`: name of the writer -> host:port."""
        self._addresses = dict(addresses)
        self._context = context
        self._prefix = prefix
        self._interval = 1.0 / writes_per_second
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.records: dict[str, Record] = {}

    def start(self) -> None:
        """Start one thread per address."""
        for writer, address in self._addresses.items():
            monotonic = time.monotonic()
            record = Record(writer, monotonic, time.time() - monotonic)
            self.records[writer] = record
            thread = threading.Thread(
                target=self._write, args=(record, address), name=f"writer {writer}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> dict[str, Record]:
        """Stop, wait for the requests under way, and return the records by writer."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for record in self.records.values():
            if record.end is None:
                record.end = time.monotonic()
        return self.records

    def longest_gap(self, writer: str) -> Gap:
        """The longest time so far in which this writer got nothing acknowledged, in Unix time."""
        return self.records[writer].longest_gap()

    def acknowledged(self) -> dict[str, str]:
        """All acknowledged ConfigMaps of all writers: name -> UID."""
        names: dict[str, str] = {}
        for record in self.records.values():
            names.update(record.names())
        return names

    def wait_until_all_write(self, timeout_seconds: float) -> None:
        """Wait until every writer has got something acknowledged from now on.

        Raises DemoError that names those that have not within `timeout_seconds`.
        """
        since = time.monotonic()
        while True:
            silent = [
                writer
                for writer, record in self.records.items()
                if (last := record.last_acknowledged()) is None or last < since
            ]
            if not silent:
                return
            if time.monotonic() - since > timeout_seconds:
                raise DemoError(
                    f"no write acknowledged within {timeout_seconds:.0f} s by: {', '.join(silent)}"
                )
            time.sleep(0.1)

    def _write(self, record: Record, address: str) -> None:
        client = ApiClient(address, self._context, _TIMEOUT_SECONDS)
        while not self._stopping.is_set():
            begun = time.monotonic()
            name = f"{self._prefix}-{record.writer}-{record.attempts}"
            record.attempts += 1
            pause = _PAUSE_AFTER_FAILURE_SECONDS
            try:
                answer = client.request("POST", CONFIG_MAPS, config_map(name, name))
            except Unanswered as error:
                given_up = isinstance(error, TimedOut)
                record.failed.append(Failed(str(error), time.monotonic(), given_up))
            else:
                now = time.monotonic()
                if answer.status != HTTPStatus.CREATED:
                    record.failed.append(Failed(f"HTTP {answer.status}", now))
                else:
                    uid = str(answer.body["metadata"]["uid"])
                    record.acknowledged.append(Acknowledged(name, uid, now))
                    pause = max(0.0, self._interval - (now - begun))
            self._stopping.wait(pause)
        record.end = time.monotonic()
        client.close()
