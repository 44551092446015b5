"""The migration itself, run as an operator runs it: `pyinfra -y inventories/lab.py deploy.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.tables import printable

ARGUMENTS = ("-y", "inventories/lab.py", "deploy.py")
# With the probe of pods, which the lab's inventory leaves out for the time it takes.
WITH_PODS = ("--data", "pod_probe=True", *ARGUMENTS)


@dataclass(frozen=True)
class Migration:
    """How the run went; `started` in Unix time."""

    started: float
    seconds: float
    exit_code: int


def run(repository: Path, log: Path, arguments: Sequence[str] = ARGUMENTS) -> Migration:
    """Run this virtual environment's pyinfra in the repository; its output is shown and logged.

    Raises DemoError if there is no pyinfra beside this Python.
    """
    program = Path(sys.executable).with_name("pyinfra")
    if not program.exists():
        raise DemoError(f"there is no {program}: run this with the virtual environment's Python")
    started, begun = time.time(), time.monotonic()
    with log.open("w", encoding="utf-8") as copy:
        process = subprocess.Popen(
            [str(program), *arguments],
            cwd=repository,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        for line in process.stdout:
            shown = printable(line)
            copy.write(shown)
            copy.flush()
            print(f"  | {shown}", end="", flush=True)
        exit_code = process.wait()
    return Migration(started, time.monotonic() - begun, exit_code)
