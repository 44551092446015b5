"""One run at a time on a cluster, from whatever control node.

The lock is a process on the first master that holds a flock as long as this run's SSH connection
lives. So no lock outlives its holder: a killed run's connection is closed by its kernel at once, and
one whose network is gone gives no signs of life, by which a stale lock is told from a live one.
"""

from __future__ import annotations

import os
import socket
from datetime import datetime, timezone

import gevent
from pyinfra import logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.observations import Report, parse_report
from unstack.problems import Problem
from unstack.progress import waiting
from unstack.remote import open_channel
from unstack.scripts import script

SIGN_OF_LIFE_SECONDS = 5.0
STALE_SECONDS = 60


class RunLock:
    """The lock of one cluster, held by this process until it ends or `is_lost`."""

    def __init__(self, host: Host, cluster: str, run: str) -> None:
        self.host = host
        self.path = f"/run/unstack/{cluster}.lock"
        since = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        who = f"{os.environ.get('USER') or os.getuid()} on {socket.gethostname()}"
        self.holder = f"{who}, process {os.getpid()}, run {run}, since {since}"
        self.is_lost = False
        self.is_taken = False  # lost to another run, which now decides

    def take(self) -> Problem | None:
        """Take the lock; the problem that names its holder where another run has it.

        Raises OperationError where the host can't hold one.
        """
        command = script("hold-lock", self.path, self.holder, str(STALE_SECONDS))
        with waiting(self.host.name, "waiting for the lock of this cluster"):
            self._channel = open_channel(self.host, command)
            report = self._answer()
        if "locked" not in report:
            return Problem(
                self.host.name,
                f"another run: {report['held'][0]}; last sign of life {report['silent'][0]} s ago",
                "one run at a time on a cluster",
                "wait until it has ended",
            )
        if "stale" in report:
            logger.warning(
                f"    {self.host.name}: took over the lock of a run that has given no sign of life for"
                f" {report['silent'][0]} s: {report['stale'][0]}"
            )
        gevent.spawn(self._live)
        return None

    def _answer(self) -> Report:
        """The holder's report, which ends with `locked` or with its own end."""
        text = b""
        while not (b"locked " in text and text.endswith(b"\n")) and (chunk := self._channel.recv(65536)):
            text += chunk
        report = parse_report(text.decode().splitlines())
        if not {"locked", "held"} & set(report):
            reason = self._channel.recv_stderr(65536).decode(errors="replace").strip()
            raise OperationError(
                f"{self.host.name}: found no lock for this run: {reason or 'no answer'}; expected a process"
                f" that holds {self.path} as root; to do: mend what it says: _sudo and _sudo_password, or"
                " the disk of /run. Nothing was changed."
            )
        return report

    def _live(self) -> None:
        while not self._channel.exit_status_ready():
            try:
                self._channel.sendall(b"\n")
            except OSError:
                break
            gevent.sleep(SIGN_OF_LIFE_SECONDS)
        # With the connection alive it was another run that ended the holder.
        transport = self._channel.get_transport()
        self.is_taken = transport is not None and transport.is_active()
        self.is_lost = True
