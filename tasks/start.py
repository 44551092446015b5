"""Start: the external members come up together."""

import pyinfra

from unstack.operations.start import start_members
from unstack.run import barrier, begin


def start() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    start_members(run, name="Start the members, and read the stacked ones")
    barrier("start")


if pyinfra.is_cli:
    start()
