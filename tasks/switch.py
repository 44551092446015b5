"""Switch: the API servers use the external members, one after the other. Live strategy only."""

import pyinfra
from pyinfra import host

from unstack.operations.live import refuse_unless_live
from unstack.operations.switch import switch_api_server
from unstack.run import barrier, begin


def switch() -> None:
    """Register the stage; every host passes its barriers and calls every step, the one it is for acts."""
    run = begin()
    refuse_unless_live(run)
    for one in host.loop(run.topology.masters):
        switch_api_server(run, one.name, name=f"Switch the API server of {one.name} to the external members")
    barrier("switch")


if pyinfra.is_cli:
    switch()
