"""Run pyinfra as an operator would, and read the hosts by programs that are not ours."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab import Lab, Node

REPOSITORY = Path(__file__).resolve().parent.parent
PYINFRA = Path(sys.executable).with_name("pyinfra")
# Where this tool and the container engines keep what they know; a dry run may change none of it.
MASTER_TREES = "/etc/kubernetes /var/lib/unstack"
ETCD_TREES = "/etc/etcd /var/lib/etcd-external"


@dataclass(frozen=True)
class Outcome:
    """How a pyinfra command ended."""

    status: int
    stdout: str
    log: str  # stderr
    longest_silence_seconds: float  # between two of its lines, from its start to its end

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.stdout + self.log


def start(*arguments: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start pyinfra from the repository's root, as an operator would; its log is to be read.

    In bytes: Python's text would make a line's end of a carriage return.
    """
    return subprocess.Popen(
        [str(PYINFRA), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def pyinfra(*arguments: str, timeout_seconds: float = 400) -> Outcome:
    """Run pyinfra from the repository's root, as an operator would."""
    heard = [time.monotonic()]
    output: tuple[list[bytes], list[bytes]] = ([], [])

    def listen(stream: IO[bytes], lines: list[bytes]) -> None:
        for line in stream:
            heard.append(time.monotonic())
            lines.append(line)

    with start(*arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        streams = zip((process.stdout, process.stderr), output, strict=True)
        threads = [threading.Thread(target=listen, args=one, daemon=True) for one in streams]
        for thread in threads:
            thread.start()
        try:
            status = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            for thread in threads:
                thread.join(10)
    heard = sorted([*heard, time.monotonic()])
    silence = max(after - before for before, after in itertools.pairwise(heard))
    stdout, log = (b"".join(lines).decode() for lines in output)
    return Outcome(status, stdout, log, silence)


def with_lab_addresses(lab: Lab, inventory: str) -> str:
    """The text of an example inventory, its addresses those of the lab."""
    for nodes, start in ((lab.masters, "192.0.2.1"), (lab.etcd, "192.0.2.2")):
        for number, node in enumerate(nodes, 1):
            inventory = inventory.replace(f"{start}{number}", node.ip)
    return inventory


def state_of(lab: Lab) -> dict[str, str]:
    """{host: checksums of all files that matter, modes, and containers}, by the hosts' own tools.

    A running etcd goes on writing to its own data, so those files do not count, their place does.
    """
    listing = (
        "for tree in {trees}; do [ ! -e $tree ] || "
        "find $tree -path '*/data/member/*' -prune -o -type f -exec sha256sum {{}} + "
        "-o -type d -exec stat -c '%n %a' {{}} +; done | sort"
    )
    containers = "docker ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort"
    # Kubelet restarts what it likes of its exited containers; what runs is what counts there.
    running = "docker ps --no-trunc --format '{{.ID}}' | sort"
    found = {}
    for node in lab.masters:
        found[node.name] = _output(lab, node, f"{listing.format(trees=MASTER_TREES)}; {running}")
    for node in lab.etcd:
        found[node.name] = _output(lab, node, f"{listing.format(trees=ETCD_TREES)}; {containers}")
    return found


def _output(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, output
    return output
