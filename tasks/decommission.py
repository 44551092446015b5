"""Decommission: remove what is left of the stacked etcd, once nobody wants to go back.

pyinfra inventories/prod.py tasks/decommission.py                               # shows what it would do
pyinfra inventories/prod.py tasks/decommission.py --data decommission=archive   # archived, then removed
pyinfra inventories/prod.py tasks/decommission.py --data decommission=remove    # removed
"""

import pyinfra

from unstack.operations.confirm import write_through
from unstack.operations.decommission import (
    archive_remains,
    examine_remains,
    mark_decommissioned,
    remove_remains,
)
from unstack.operations.leftovers import remove_leftovers
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import MASTERS


def decommission() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    examine_remains(run, name="Look at what is left of the stacked etcd")
    checkpoint("examined")
    if in_group(MASTERS):
        archive_remains(run, name="Archive the stacked etcd's data and certificates")
    checkpoint("archived")
    if in_group(MASTERS):
        remove_remains(run, name="Remove the stacked etcd's data and certificates")
    checkpoint("removed")
    remove_leftovers(run, name="Remove stale mirror pods and masterleases")
    checkpoint("nothing left")
    if in_group(MASTERS):
        write_through(run, name="Write and read through every API server")
    checkpoint("works")
    if in_group(MASTERS):
        mark_decommissioned(run, name="Note that the stacked etcd is gone")
    barrier("decommission")


if pyinfra.is_cli:
    decommission()
