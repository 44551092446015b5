"""Running the hosts' scripts on this machine."""

from __future__ import annotations

import subprocess

from unstack.scripts import script


def run_here(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script with these arguments, as a host would."""
    command = script(name, *arguments).get_raw_value()
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
