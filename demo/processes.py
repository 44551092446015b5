"""The control plane's processes, read from /proc: what runs, since when, on which etcd.

Not from the pods' status: a mirror pod may say Running for minutes after its process is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from demo.errors import DemoError
from demo.hosts import on_all
from lab import Lab

COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# The kernel keeps 15 characters of a process's name.
COMM_PATTERN = "|".join(component[:15] for component in COMPONENTS)

# A start time is in clock ticks since boot; both clocks are read at once to turn it into a date.
# Field 22 of stat is the 20th behind the name, which is in parentheses and may contain anything.
_SCRIPT = f"""
echo "clock $EPOCHREALTIME $(cut -d' ' -f1 /proc/uptime) $(getconf CLK_TCK)"
for file in $(grep -slxE '{COMM_PATTERN}' /proc/[0-9]*/comm); do
    directory=${{file%/comm}}
    ticks=$(sed 's/.*) //' "$directory/stat" | cut -d' ' -f20)
    arguments=$(tr '\\0' '\\t' <"$directory/cmdline")
    [ -n "$arguments" ] && echo "process ${{directory#/proc/}} $ticks $arguments"
done 2>/dev/null
true
"""


@dataclass(frozen=True)
class Process:
    """One running component; `started` in Unix time, exact to a few hundredths of a second."""

    master: str
    component: str
    pid: int
    started: float
    etcd_servers: tuple[str, ...]


def control_plane(lab: Lab) -> list[Process]:
    """All processes of the three components on all masters, in order of master and component."""
    texts = on_all(lab, lab.masters, _SCRIPT)
    return [process for master, text in texts.items() for process in parse(master, text)]


def parse(master: str, text: str) -> list[Process]:
    """The processes in the script's output; raises DemoError if it is not that."""
    lines = text.splitlines()
    try:
        _, now, uptime, ticks_per_second = lines[0].split()
        boot = float(now) - float(uptime)
        found = []
        for line in lines[1:]:
            _, pid, ticks, arguments = line.split(" ", 3)
            argv = arguments.rstrip("\t").split("\t")
            found.append(
                Process(
                    master=master,
                    component=PurePosixPath(argv[0]).name,
                    pid=int(pid),
                    started=boot + int(ticks) / int(ticks_per_second),
                    etcd_servers=_etcd_servers(argv),
                )
            )
    except (IndexError, ValueError) as error:
        raise DemoError(f"{master}: not a list of processes: {text[:100]!r}") from error
    return sorted(found, key=lambda process: process.component)


def problems(
    processes: Sequence[Process],
    masters: Sequence[str],
    cutover_started: float,
    etcd_addresses: Sequence[str],
) -> list[str]:
    """What is wrong with the control plane after a migration; empty if nothing is.

    Every component has to run once on every master, started after the cutover began, and every
    API server on the external members alone.
    """
    found = []
    for master in masters:
        for component in COMPONENTS:
            running = [p for p in processes if (p.master, p.component) == (master, component)]
            if len(running) != 1:
                found.append(f"{master}: {len(running)} processes of {component}, expected 1")
            for process in running:
                early = cutover_started - process.started
                if early >= 0:
                    found.append(
                        f"{master}: {component} (pid {process.pid}) started {early:.1f} s before"
                        " the cutover: it was not started anew"
                    )
    expected = {f"https://{address}:2379" for address in etcd_addresses}
    for process in processes:
        if process.component == COMPONENTS[0] and set(process.etcd_servers) != expected:
            found.append(
                f"{process.master}: kube-apiserver uses etcd at {','.join(process.etcd_servers)},"
                f" expected {','.join(sorted(expected))}"
            )
    return found


def _etcd_servers(argv: Sequence[str]) -> tuple[str, ...]:
    for argument, following in zip(argv, [*argv[1:], ""], strict=True):
        if argument.startswith("--etcd-servers="):
            return tuple(argument.partition("=")[2].split(","))
        if argument == "--etcd-servers":
            return tuple(following.split(","))
    return ()
