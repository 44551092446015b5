"""Probe: how long a pod takes to come and to go, on every node and through every API server.

It makes a namespace of its own, and removes it.
"""

import pyinfra

from unstack.operations.pod_probe import probe_now
from unstack.run import barrier, begin


def probe() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    probe_now(run, name="Time pods on every node, through every API server")
    barrier("probe")


if pyinfra.is_cli:
    probe()
