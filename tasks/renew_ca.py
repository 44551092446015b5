"""Renew the CA of the external cluster, under way: no member and no API server is ever alone without trust.

Both CAs are trusted everywhere, then every certificate is made anew by the new one, then the old one is
dropped. A run that has died is gone on with by the same command.
"""

import pyinfra
from pyinfra import host

from unstack.operations.renew_ca import (
    bring_pairs,
    bring_trust,
    check_rotation,
    make_new_ca,
    retire_ca,
    sign_anew,
)
from unstack.operations.restart import restart_api_server, restart_member
from unstack.operations.status import show_status
from unstack.run import Run, barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def _restart_one_by_one(run: Run, dropping: bool, why: str) -> None:
    for one in host.loop(run.topology.members):
        restart_member(run, one.name, dropping, name=f"Restart the member {one.name} {why}")
    for master in host.loop(run.topology.masters):
        restart_api_server(run, master.name, dropping, name=f"Restart the API server of {master.name} {why}")


def renew_ca() -> None:
    """Register the task; every host passes its barriers and calls every restart, the one it is for acts."""
    run = begin()
    uses_etcd = in_group(MASTERS) or in_group(ETCD)
    check_rotation(run, name="Check that the CA can be replaced")
    checkpoint("checked")
    make_new_ca(run, name="Make the new CA on the control node")
    checkpoint("CA made")
    if uses_etcd:
        bring_trust(run, dropping=False, name="Bring both CAs to the host")
    checkpoint("both CAs brought")
    _restart_one_by_one(run, dropping=False, why="to trust both CAs")
    barrier("both trusted")
    sign_anew(run, name="Make the certificates anew on the control node")
    checkpoint("certificates made")
    if uses_etcd:
        bring_pairs(run, name="Bring the host its certificates of the new CA")
    barrier("certificates")
    if uses_etcd:
        bring_trust(run, dropping=True, name="Bring the new CA alone to the host")
    checkpoint("new CA brought")
    _restart_one_by_one(run, dropping=True, why="to trust the new CA alone")
    barrier("old CA dropped")
    retire_ca(run, name="Set the old CA aside on the control node")
    checkpoint("old CA aside")
    show_status(run, name="Show where the cluster stands")


if pyinfra.is_cli:
    renew_ca()
