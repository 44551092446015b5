"""Confirm: the cluster works on the external etcd, and the stacked one is put to rest."""

import pyinfra

from unstack.operations.confirm import (
    await_heartbeats,
    record_confirmation,
    refuse_joint,
    show_members,
    write_through,
)
from unstack.operations.cutover import retire_stacked_member
from unstack.operations.kubeadm_config import merge_kubeadm_config
from unstack.operations.kubeadm_proof import prove_by_kubeadm
from unstack.operations.outcome import write_outcome
from unstack.operations.pod_probe import probe_after
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import MASTERS


def confirm() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    refuse_joint(run, name="Check that no stacked etcd is a member of the external cluster")
    if in_group(MASTERS):
        write_through(run, name="Write and read through every API server")
    await_heartbeats(run, name="Wait for the leases of components and nodes")
    checkpoint("confirmed")
    merge_kubeadm_config(run, name="Merge the external endpoints into kubeadm-config")
    prove_by_kubeadm(run, name="Let kubeadm prove that it keeps the external etcd")
    probe_after(run, name="Time pods after the migration")
    checkpoint("pods timed")
    if in_group(MASTERS):
        retire_stacked_member(run, name="Stop the stacked etcd, its data kept")
    checkpoint("retired")
    show_members(run, name="Show members, status and health")
    checkpoint("healthy")
    if in_group(MASTERS):
        record_confirmation(run, name="Record the confirmation")
    barrier("confirm")
    write_outcome(run, name="Write the run's outcome")


if pyinfra.is_cli:
    confirm()
