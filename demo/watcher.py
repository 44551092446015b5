"""A client with an open watch, as every controller has one, and what it was told.

It does what client-go's reflector does: lists once, watches from the list's revision, comes back to
the last revision that it saw when the connection ends, and lists again when the server says that this
revision is too old (410 Gone).
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from demo.api import Answer, ApiClient, Unanswered
from demo.errors import DemoError
from demo.objects import CONFIG_MAPS, config_map

# Writers write all the time: a watch that is silent for so long has lost its other end.
_SILENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1
_END_SECONDS = 30.0
# Made as the watch is to end: once it is told, all that was written before it has to have been.
_LAST = "unstack-watch-ends"


@dataclass(frozen=True)
class Event:
    """One change that the watch told: its type, the object's name, and the revision that made it."""

    kind: str
    name: str
    revision: int


@dataclass(frozen=True)
class Listing:
    """A list of everything: its revision, and each object's own (mod revision in etcd)."""

    revision: int
    revisions: Mapping[str, int]


@dataclass
class Watched:
    """What the client was told, in order. Every listing but the first is one that it was told to make."""

    told: list[Listing | Event] = field(default_factory=list)
    # Why a connection ended, each time that one did.
    interruptions: list[str] = field(default_factory=list)

    @property
    def relists(self) -> int:
        """How often it was told to list anew."""
        return max(0, sum(isinstance(one, Listing) for one in self.told) - 1)

    @property
    def events(self) -> int:
        """How many changes came through a watch."""
        return sum(isinstance(one, Event) for one in self.told)


def problems(watched: Watched, stored: Mapping[str, int]) -> list[str]:
    """What the client was told wrongly, one line each; empty if it was told all, once and in order.

    + stored: every object that is in etcd, name -> mod revision; none is changed after it was made

    An object may also be told by a list, if the client was told to make one.
    """
    found: list[str] = []
    told: dict[str, int] = {}
    position = 0
    for one in watched.told:
        if isinstance(one, Listing):
            if one.revision < position:
                found.append(f"a list at revision {one.revision}, after what was of {position}")
            told.update(one.revisions)
            position = max(position, one.revision)
            continue
        if one.revision <= position:
            found.append(f"{one.kind} {one.name} of revision {one.revision}, after what was of {position}")
        if one.kind != "ADDED":
            found.append(f"{one.kind} {one.name} of revision {one.revision}: nobody did that")
        told[one.name] = one.revision
        position = max(position, one.revision)
    missed = sorted(name for name in stored if name not in told)
    if missed:
        found.append(f"{len(missed)} of {len(stored)} objects were never told: {', '.join(missed[:3])}")
    other = sorted(name for name, revision in told.items() if stored.get(name) != revision)
    if other:
        found.append(f"{len(other)} objects are not stored as they were told: {', '.join(other[:3])}")
    return found


class Watcher:
    """Watches the demonstration's ConfigMaps through one address, in a thread of its own."""

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        """`address` is host:port."""
        self._address = address
        self._context = context
        self._client = ApiClient(address, context, _SILENCE_SECONDS)
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._leaving = threading.Event()
        self._position = 0
        self.watched = Watched()

    def start(self) -> None:
        """List, and watch from there on. Raises DemoError if the list can't be had."""
        answer = self._client.expect("GET", CONFIG_MAPS)
        self._take_list(answer)
        self._thread.start()

    def end(self) -> Watched:
        """Everything that was told, once what is written last is. Raises DemoError if it is not in time."""
        writer = ApiClient(self._address, self._context, _END_SECONDS)
        writer.expect("POST", CONFIG_MAPS, config_map(_LAST, _LAST))
        writer.close()
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            raise DemoError(f"the watch was not told in {_END_SECONDS:.0f} s of what was written last")
        return self.watched

    def leave(self) -> None:
        """Watch no more, whatever was told."""
        self._leaving.set()

    def _watch(self) -> None:
        while not self._leaving.is_set() and not self._is_over():
            try:
                if not self._watch_on():
                    self._list()
            except Unanswered as error:
                self.watched.interruptions.append(str(error))
                self._leaving.wait(_PAUSE_SECONDS)

    def _watch_on(self) -> bool:
        """Watch until the connection ends or all is told; False where it has to list anew first."""
        query = {"watch": "1", "allowWatchBookmarks": "1", "resourceVersion": str(self._position)}
        for answer in self._client.lines(f"{CONFIG_MAPS}?{urlencode(query)}"):
            kind, told = answer.body.get("type"), answer.body.get("object", answer.body)
            if HTTPStatus.GONE in (answer.status, told.get("code")):
                return False
            if kind is None or kind == "ERROR":
                raise Unanswered(f"HTTP {answer.status}: {told.get('message', 'half an answer')}")
            metadata = told["metadata"]
            self._position = int(metadata["resourceVersion"])
            if kind != "BOOKMARK":
                self.watched.told.append(Event(str(kind), str(metadata["name"]), self._position))
                if self._is_over():
                    return True
        raise Unanswered("the server ended it")

    def _list(self) -> None:
        answer = self._client.request("GET", CONFIG_MAPS)
        if answer.status != HTTPStatus.OK:
            raise Unanswered(f"HTTP {answer.status}")
        self._take_list(answer)

    def _take_list(self, answer: Answer) -> None:
        revisions = {
            str(item["metadata"]["name"]): int(item["metadata"]["resourceVersion"])
            for item in answer.body["items"]
        }
        self._position = int(answer.body["metadata"]["resourceVersion"])
        self.watched.told.append(Listing(self._position, revisions))

    def _is_over(self) -> bool:
        last = self.watched.told[-1]
        return last.name == _LAST if isinstance(last, Event) else _LAST in last.revisions
