"""The lead of etcd moves from one member to another, and no write fails or waits for it.

From the moment in which the leader is asked until another one is elected, raft drops what members
propose: the leader refuses its own clients' writes, and loses without a word those that another member
has sent on to it (etcd's raft.go, `leadTransferee`). Such a write gets its answer, an error, when etcd
gives it up after seven seconds. So for that moment the API servers stand still, like a process that
gets no turn: their clients wait for it, and nothing is under way that could be dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

import gevent
from paramiko import SSHException
from pyinfra import inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.progress import waiting
from unstack.remote import NO_ANSWER, open_channel
from unstack.run import Run, masters, on_each
from unstack.scripts import script

# A host that is not ready by then is left out: the others must not wait for it.
READY_SECONDS = 5.0
# A move takes a fifth. The lab's load balancer, which asks five times a second and gives up after two tries,
# takes an API server out that stands still for 0.6 s, and none for 0.5 s. After this long each host lets its
# own go on, whatever becomes of this run.
LIMIT_SECONDS = 0.4
# etcdctl gives a move up after 5 s.
MOVE_SECONDS = 10.0
_WENT_WRONG = (OperationError, SSHException, OSError, EOFError)


def move_lead(run: Run, leader: str, member: str, heir: int) -> None:
    """Have the member on the host `leader` give the lead to the member with the id `heir`.

    Raises OperationError where it does not.
    """
    host = inventory.get_host(leader)
    with waiting(leader, "waiting for the lead to move"):
        try:
            with closing(_Process(host, "move-leader", member, f"{heir:x}")) as mover:
                mover.expect(READY_SECONDS, "ready")
                with _api_servers_held(run):
                    mover.go()
                    mover.expect(MOVE_SECONDS, "moved")
        except _WENT_WRONG as error:
            raise OperationError(f"{leader}: {_words(host, error)}") from error


class _Process:
    """A script on a host that has got ready, and acts at a line on its standard input."""

    def __init__(self, host: Host, name: str, *arguments: str) -> None:
        """Raises OperationError, SSHException, OSError or EOFError where the host is not there."""
        with _at_most(READY_SECONDS):
            self._channel = open_channel(host, script(name, *arguments))

    def go(self) -> None:
        """A line. One that has ended does not read it."""
        with suppress(OSError):
            self._channel.sendall(b"\n")

    def expect(self, seconds: float, *words: str) -> str:
        """The first of the words that it says. Raises OperationError, with what it says, without one."""
        text = b""
        with _at_most(seconds):
            while chunk := self._channel.recv(65536):
                text += chunk
                for word in words:
                    if f"{word} ".encode() in text:
                        return word
            raise OperationError(self._channel.recv_stderr(65536).decode(errors="replace").strip())

    def close(self) -> None:
        """Close its standard input, at which it ends."""
        with suppress(*_WENT_WRONG):
            self._channel.close()


def _at_most(seconds: float) -> gevent.Timeout:
    return gevent.Timeout(seconds, OperationError(f"{NO_ANSWER} (for {seconds:g} s)"))


def _words(host: Host, error: BaseException) -> str:
    """What was found, expected and is to be done, without the host's name, which some errors begin with."""
    if not isinstance(error, OperationError):
        return f"{NO_ANSWER} ({type(error).__name__})"
    return str(error).removeprefix(f"{host.name}: ") or NO_ANSWER


@contextmanager
def _api_servers_held(run: Run) -> Iterator[None]:
    """No API server takes a step within, but for one whose host does not answer: that one is named."""
    holders = [one for one in on_each(masters(), _holder).values() if one is not None]
    begun = time.monotonic()
    try:
        _turn(holders, "held")
        yield
    finally:
        _turn(holders, "going")
        run.journal.record("held", api_servers=len(holders), seconds=round(time.monotonic() - begun, 3))
        for one in holders:
            one.close()


def _holder(host: Host) -> _Process | None:
    """The process that holds a master's API server at a word; None where there is none to hold."""
    try:
        holder = _Process(host, "hold-apiserver", str(LIMIT_SECONDS))
        if holder.expect(READY_SECONDS, "ready", "none") == "ready":
            return holder
    except _WENT_WRONG as error:
        logger.warning(
            f"    {host.name}: its API server goes on while the lead moves ({_words(host, error)}): a"
            " write that is under way just then may fail after some seconds, and its client is told so"
        )
    return None


def _turn(holders: Sequence[_Process], word: str) -> None:
    """Have all of them act at once. Who does not answer in time is not waited for: its host sees to it."""
    for one in holders:
        one.go()
    with suppress(*_WENT_WRONG):
        for one in holders:
            one.expect(LIMIT_SECONDS, word)
