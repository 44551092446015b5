"""Rehearse: the data path for real, while the control plane goes on; then the outage to expect.

pyinfra inventories/prod.py tasks/rehearse.py
"""

import pyinfra

from unstack.operations.pki import install_apiserver_pki, install_member_pki, make_pki
from unstack.operations.preflight import examine
from unstack.operations.prepare import create_container, prepare_manifest, pull_image, write_compose_file
from unstack.operations.prove import prove_equal
from unstack.operations.rehearse import clear_rehearsal, end_rehearsal, refuse_to_rehearse
from unstack.operations.rehearse_proof import (
    compact_alike,
    read_stacked,
    tell_expectation,
    try_control_plane,
)
from unstack.operations.restore import restore_member
from unstack.operations.snapshot import distribute_snapshot, take_snapshot
from unstack.operations.start import start_members
from unstack.run import Purpose, barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def rehearse() -> None:
    """Register the stages; every host passes their barriers."""
    run = begin(examines=True, purpose=Purpose.REHEARSE)
    examine(run, name="Examine every host")
    checkpoint("examined")
    refuse_to_rehearse(run, name="Refuse where a migration has begun")
    barrier("preflight")
    make_pki(run, name="Make the external cluster's certificates on the control node")
    checkpoint("certificates made")
    clear_rehearsal(run, name="Clear away what a rehearsal left")
    checkpoint("cleared")
    if in_group(ETCD):
        install_member_pki(run, name="Install the member's certificates")
        pull_image(run, name="Pull the etcd image")
        write_compose_file(run, name="Write the member's compose file")
        create_container(run, name="Create the member's container")
    if in_group(MASTERS):
        install_apiserver_pki(run, name="Put the API server's client certificate apart")
        prepare_manifest(run, name="Put the new kube-apiserver manifest apart")
    barrier("prepare")
    take_snapshot(run, name="Take a snapshot of the cluster, which goes on")
    barrier("snapshot")
    read_stacked(run, name="Read the stacked members at the snapshot's revision")
    barrier("read")
    distribute_snapshot(run, name="Copy the snapshot to every member's host")
    barrier("copy")
    if in_group(ETCD):
        restore_member(run, name="Restore the member from the snapshot")
    barrier("restore")
    start_members(run, name="Start the members")
    barrier("start")
    compact_alike(run, name="Compact the members as far as the stacked ones are")
    barrier("compact")
    prove_equal(run, name="Compare every member, old and new")
    barrier("prove")
    if in_group(MASTERS):
        try_control_plane(run, name="Try the new manifest, without starting it")
    barrier("try")
    end_rehearsal(run, name="Remove the members, their data and the snapshot")
    barrier("rehearsal")
    tell_expectation(run, name="Tell the outage to expect")


if pyinfra.is_cli:
    rehearse()
