"""Clean: remove what earlier runs have kept, once nobody needs it any more.

pyinfra inventories/prod.py tasks/clean.py                               # a rollback stays possible
pyinfra inventories/prod.py tasks/clean.py --data clean_rollback=True    # not even that
"""

import pyinfra

from unstack.operations.clean import clean_etcd_host, clean_master, refuse_to_clean_unfinished
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def clean() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    refuse_to_clean_unfinished(run, name="Refuse while a run is unfinished")
    checkpoint("finished")
    if in_group(MASTERS):
        clean_master(run, name="Remove what runs have kept on the master")
    if in_group(ETCD):
        clean_etcd_host(run, name="Remove what runs have kept on the etcd host")
    barrier("clean")


if pyinfra.is_cli:
    clean()
