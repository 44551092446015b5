"""A document followed on the lab: its commands in their order, each typed where the document says."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.documented import ELSEWHERE
from tests.documents import INVENTORY, Command, commands

SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# pyinfra waits for it before it changes anything.
ENTER = "\n"
# How long a command is repeated that the document says to repeat.
REPEAT_SECONDS = 60.0
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Typed:
    """What a command came to."""

    status: int
    output: str  # both streams, without colours


class Terminal:
    """A shell on the control node, in a directory of its own."""

    def __init__(self, directory: Path, *programs: Path, inventory: str = INVENTORY) -> None:
        """`programs` are directories that come before the system's own.

        + inventory: the operator's own, where it is another than the documents' example
        """
        self.directory = directory
        self.inventory = inventory
        self.environment = {
            # A newcomer's shell has no virtual environment yet.
            **{key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")},
            "PATH": ":".join((*map(str, programs), SYSTEM)),
            "KUBECONFIG": str(KUBECONFIG),
            "PYINFRA_PROGRESS": "off",
            "NO_COLOR": "1",
        }
        self.sourced = ""  # what a shell remembers of the commands before

    def type(self, text: str, seconds: float) -> Typed:
        """Run a command as the next one of this shell, with Enter to what it asks."""
        done = subprocess.run(
            ["bash", "-c", self.sourced + text.replace(INVENTORY, self.inventory)],
            cwd=self.directory,
            env=self.environment,
            input=ENTER,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        if text.startswith(". ") and done.returncode == 0:
            self.sourced += f"{text} && "
        return Typed(done.returncode, re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.stdout))


class Section:
    """One section of a document, followed from its first command to its last.

    What another test runs, or nobody can run here, is left out: `tests.documented.ELSEWHERE`.
    """

    def __init__(self, lab: Lab, terminal: Terminal, document: Path, title: str) -> None:
        self.lab = lab
        self.terminal = terminal
        found = [one for one in commands(document.name, document.read_text()) if one.section == title]
        assert found, f"{document.name} has no section {title!r} with commands"
        self.commands = [one for one in found if one.text not in ELSEWHERE]
        self.rest = deque(self.commands)

    def type(
        self,
        text: str,
        *,
        at: Node | None = None,
        fails: bool = False,
        repeat: bool = False,
        seconds: float = 300,
        put: Mapping[str, str] = NOTHING,
    ) -> str:
        """Type the next command, which has to be this one, and return its output.

        + at: which of the hosts that the document means; the first of its kind where left out
        + fails: where the document says that it does
        + repeat: until it succeeds, where the document says so
        + put: {word: what the operator puts in its place}, such as for ID
        """
        assert self.rest, f"the document has no further command, and not {text!r}"
        command = self.rest.popleft()
        assert command.text == text, f"the document's next command is {command.text!r}, not {text!r}"
        return self._type(command, at, fails, repeat, seconds, put)

    def again(self, text: str, *, at: Node, repeat: bool = False, put: Mapping[str, str] = NOTHING) -> str:
        """Type a command of this section once more, on another host, and return its output."""
        command = next(one for one in self.commands if one.text == text)
        return self._type(command, at, False, repeat, REPEAT_SECONDS, put)

    def end(self) -> None:
        """The section has no further command."""
        assert not self.rest, [one.text for one in self.rest]

    def _type(
        self,
        command: Command,
        at: Node | None,
        fails: bool,
        repeat: bool,
        seconds: float,
        put: Mapping[str, str],
    ) -> str:
        text = command.text
        for old, new in put.items():
            assert old in text, (old, text)
            text = text.replace(old, new)
        deadline = time.monotonic() + REPEAT_SECONDS
        while True:
            done = self._run(command, text, at, seconds)
            if (done.status != 0) is fails:
                return done.output
            if not repeat or time.monotonic() > deadline:
                raise AssertionError(f"{text}: status {done.status}\n{done.output}")
            time.sleep(0.5)

    def _run(self, command: Command, text: str, at: Node | None, seconds: float) -> Typed:
        assert command.place is not None, f"the document does not say where to type {command.text!r}"
        if command.place in ("control node", "anywhere"):
            assert at is None, f"the document has this typed on the {command.place}: {command.text!r}"
            return self.terminal.type(text, seconds)
        hosts = self.lab.masters if command.place == "master" else self.lab.etcd
        node = at or hosts[0]
        assert node in hosts, f"the document has this typed on the {command.place}: {command.text!r}"
        return Typed(*self.lab.exec(node, text))
