"""Status: where the cluster stands, its members, and when each certificate that was made here ends."""

import pyinfra

from unstack.operations.status import show_status
from unstack.run import barrier, begin


def status() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    show_status(run, name="Show where the cluster stands")
    barrier("status")


if pyinfra.is_cli:
    status()
