"""Run pyinfra as an operator would, and read the hosts by programs that are not ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
    log: str  # stderr, without colours

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.stdout + self.log


def pyinfra(*arguments: str, timeout_seconds: float = 400) -> Outcome:
    """Run pyinfra from the repository's root, as an operator would."""
    done = subprocess.run(
        [str(PYINFRA), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, re.sub(r"\x1b\[[0-9;]*m", "", done.stderr))


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
