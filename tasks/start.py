"""Start: the external members come up together."""

import pyinfra

from unstack.operations.start import start_member
from unstack.run import barrier, begin, in_group
from unstack.topology import ETCD


def start() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    if in_group(ETCD):
        start_member(run, name="Start the member")
    barrier("start")


if pyinfra.is_cli:
    start()
