"""No silence: a line for every wait that outlasts a few seconds.

pyinfra shows what a command has said when it has ended. On a terminal a spinner turns meanwhile; in a
log file nothing moves, and nowhere is to be seen what is waited for and for how long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import gevent
from pyinfra import logger
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.context import ctx_state

# Less than the five seconds that are promised: a busy control node writes the line a little late.
SILENCE_SECONDS = 4.0


@dataclass(eq=False)
class Wait:
    """One host, or several by their names, that something is waited for; `what` may change meanwhile."""

    host: str
    what: str
    limit_seconds: float | None
    since: float

    def lasted(self, now: float) -> float:
        """For how many seconds already; `now` is of the monotonic clock."""
        return now - self.since


class Progress(logging.Handler):
    """The waits under way, told by pyinfra's own logger when it has been silent for `silence_seconds`.

    A handler of that logger, because only so it hears what others say. What it tells goes to standard
    error like every line of the log, in its order, so that --json and redirections stay as they are.
    """

    def __init__(self, silence_seconds: float = SILENCE_SECONDS) -> None:
        super().__init__()
        self.silence_seconds = silence_seconds
        self._heard = 0.0
        self._waits: list[Wait] = []
        self._ticker: gevent.Greenlet | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the logger for each line that is shown."""
        self._heard = time.monotonic()

    @contextmanager
    def waiting(self, host: str, what: str, limit_seconds: float | None = None) -> Iterator[Wait]:
        """Tell of this wait as long as the block lasts, and not a moment longer."""
        wait = Wait(host, what, limit_seconds, time.monotonic())
        self.begin(wait)
        try:
            yield wait
        finally:
            self.end(wait)

    def begin(self, wait: Wait) -> None:
        """Tell of this wait from now on. For what can't be a block: see `waiting`."""
        self._waits.append(wait)
        if self._ticker is not None:
            return
        if self not in logger.handlers:
            logger.addHandler(self)
            self._heard = wait.since
        self._ticker = gevent.spawn(self._tick)

    def end(self, wait: Wait) -> None:
        """Tell of this wait no more."""
        self._waits.remove(wait)
        if not self._waits and self._ticker is not None:
            self._ticker.kill(block=False)
            self._ticker = None

    def _tick(self) -> None:
        while True:
            rest = self._heard + self.silence_seconds - time.monotonic()
            if rest > 0:
                gevent.sleep(rest)
                continue
            self._heard = time.monotonic()
            # Nobody to tell, such as a terminal that is gone, is no reason to end a run.
            with suppress(Exception):
                for line in lines(self._waits, self._heard, self.silence_seconds / 2):
                    logger.info(f"    {line}")


def lines(waits: list[Wait], now: float, noticeable_seconds: float) -> Iterator[str]:
    """One line for each thing that is waited for, with all the hosts that it is waited for on.

    Of a host's waits inside each other the innermost counts that has lasted `noticeable_seconds`: a
    question that is asked anew every moment says less than what it is asked for. If none has, the
    outermost.
    """
    shown: dict[str, Wait] = {}
    for wait in waits:
        if wait.host not in shown or wait.lasted(now) >= noticeable_seconds:
            shown[wait.host] = wait
    together: dict[tuple[str, float | None], list[Wait]] = {}
    for wait in shown.values():
        together.setdefault((wait.what, wait.limit_seconds), []).append(wait)
    for (what, limit), same in together.items():
        seconds = int(max(wait.lasted(now) for wait in same))
        bound = "so far" if limit is None else f"of at most {limit:g} s"
        yield f"{', '.join(sorted(wait.host for wait in same))}: {what} ({seconds} s {bound})"


PROGRESS = Progress()
waiting = PROGRESS.waiting


class _Connections(BaseStateCallback):
    """Tells of the hosts that are being connected to.

    pyinfra declares the callbacks as static methods and calls them on the instance.
    """

    def __init__(self) -> None:
        self.waits: dict[str, Wait] = {}

    def host_before_connect(self, state: State, host: Host) -> None:  # type: ignore[override]
        wait = Wait(host.name, "waiting for its connection", None, time.monotonic())
        self.waits[host.name] = wait
        PROGRESS.begin(wait)

    def host_connect(self, state: State, host: Host) -> None:  # type: ignore[override]
        PROGRESS.end(self.waits.pop(host.name))

    def host_connect_error(self, state: State, host: Host, error: object) -> None:  # type: ignore[override]
        PROGRESS.end(self.waits.pop(host.name))


def tell_connections() -> None:
    """Have pyinfra's connecting told too. For config.py, which is read before the hosts are known."""
    state: State = ctx_state.get()

    def listen() -> None:
        # pyinfra takes callbacks once it knows the hosts, and then connects without a pause; this
        # greenlet was there first, so it also runs first.
        while not state.initialised:
            gevent.sleep(0)
        state.add_callback_handler(_Connections())

    gevent.spawn(listen)
