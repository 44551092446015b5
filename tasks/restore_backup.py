"""Restore a backup: the external cluster as it was when the file was written. What came later is gone.

pyinfra inventories/prod.py tasks/restore_backup.py --data backup=FILE    # a file on the control node

A backup is older than what clients have seen, so its revisions are bumped above all of that: every watch
is told to list anew. The data of now is kept beside the restored. A restore that was killed is finished
by the same command.
"""

import pyinfra

from unstack.operations.confirm import await_heartbeats, show_members, write_through
from unstack.operations.kubeadm_config import merge_kubeadm_config
from unstack.operations.outcome import write_outcome
from unstack.operations.restore_backup import (
    bring_backup,
    check_backup,
    compare_restored,
    fence_for_restore,
    mark_restoring,
    restore_beside,
)
from unstack.operations.restore_backup_use import (
    end_restoring,
    mark_in_use,
    place_restored,
    prove_restored,
    start_control_plane,
    start_restored,
    tell_lost_nodes,
)
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def restore_backup() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    check_backup(run, name="Check the backup and the cluster")
    checkpoint("checked")
    bring_backup(run, name="Bring the backup to every member's host")
    checkpoint("brought")
    if in_group(ETCD):
        restore_beside(run, name="Restore the backup beside the member's data")
    checkpoint("restored beside")
    compare_restored(run, name="Compare what every member has restored")
    if in_group(MASTERS):
        mark_restoring(run, name="Mark the restore")
    barrier("backup")
    if in_group(MASTERS):
        fence_for_restore(run, name="Fence: stop API server, controller-manager and scheduler")
    barrier("fence")
    if in_group(ETCD):
        place_restored(run, name="Put the restored data in place, the member's own kept")
    barrier("place")
    if in_group(ETCD):
        start_restored(run, name="Start the members on the restored data")
    barrier("start")
    prove_restored(run, name="Compare every member")
    barrier("prove")
    if in_group(MASTERS):
        mark_in_use(run, name="Mark the restored data as in use")
    checkpoint("in use")
    if in_group(MASTERS):
        start_control_plane(run, name="Start the control plane, and see it have old watches list anew")
    barrier("return")
    if in_group(MASTERS):
        write_through(run, name="Write and read through every API server")
    checkpoint("written")
    await_heartbeats(run, name="Wait for the leases of components and nodes")
    tell_lost_nodes(run, name="Name nodes that the backup does not know")
    merge_kubeadm_config(run, name="Merge the external endpoints into kubeadm-config")
    show_members(run, name="Show members, status and health")
    checkpoint("healthy")
    if in_group(MASTERS):
        end_restoring(run, name="End the restore")
    barrier("confirm")
    write_outcome(run, name="Write the run's outcome")


if pyinfra.is_cli:
    restore_backup()
