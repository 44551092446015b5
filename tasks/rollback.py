"""Rollback: the control plane on the stacked etcd again, with everything that was written since.

Before the external cluster was in use the old manifests go back and no data moves. After it, the
external cluster's data goes back into the stacked members first, proven equal like on the way out.
While stacked and external members are one cluster, they and the API servers go back one by one instead.
"""

import pyinfra
from pyinfra import host

from unstack.operations.confirm import await_heartbeats, write_through
from unstack.operations.kubeadm_config import return_kubeadm_config
from unstack.operations.leases import release_leases
from unstack.operations.outcome import write_outcome
from unstack.operations.rollback import (
    end_return,
    fence_external,
    find_way_back,
    go_back_at_once,
    mark_return,
    prepare_return,
    rest_external,
    return_api_server,
    return_controllers,
)
from unstack.operations.rollback_data import bring_data, prove_back, restore_stacked, start_stacked
from unstack.operations.rollback_live import (
    complete_restore_tools,
    leave_first,
    remove_external_member,
    return_switched,
)
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def rollback() -> None:
    """Register the stages; every host passes their barriers."""
    run = begin()
    find_way_back(run, name="Find the way back")
    barrier("way back")
    go_back_at_once(run, name="Bring the old control plane back, where no data has to move")
    for one in host.loop(run.topology.masters):
        return_switched(run, one.name, name=f"Return the API server of {one.name} to its stacked member")
    for member in host.loop(run.topology.members[::-1]):
        remove_external_member(run, member.name, name=f"Remove the external member {member.name}")
    for one in host.loop(run.topology.masters):
        leave_first(run, one.name, name=f"Remove the stacked member of {one.name}, after others")
    complete_restore_tools(run, name="Bring the restore tool to masters that have none")
    barrier("members")
    if in_group(MASTERS):
        prepare_return(run, name="Prepare the kube-apiserver manifest of the stacked etcd")
    barrier("prepare")
    if in_group(MASTERS):
        fence_external(run, name="Fence: stop API server, controller-manager and scheduler")
    barrier("fence")
    bring_data(run, name="Take the snapshot of the external cluster and bring it to the masters")
    barrier("snapshot")
    if in_group(MASTERS):
        restore_stacked(run, name="Restore the stacked member from the snapshot")
    barrier("restore")
    if in_group(MASTERS):
        start_stacked(run, name="Start the stacked member")
    barrier("start")
    prove_back(run, name="Compare every member, external and stacked")
    barrier("prove")
    if in_group(MASTERS):
        mark_return(run, name="Mark the return")
    checkpoint("marked")
    if in_group(MASTERS):
        return_api_server(run, name="Start the API server on the stacked etcd")
        release_leases(run, name="Let go of the stopped controllers' leases")
        return_controllers(run, name="Start controller-manager and scheduler")
    barrier("return")
    if in_group(MASTERS):
        write_through(run, name="Write and read through every API server")
    await_heartbeats(run, name="Wait for the leases of components and nodes")
    checkpoint("confirmed")
    return_kubeadm_config(run, name="Name the stacked etcd in kubeadm-config again")
    if in_group(ETCD):
        rest_external(run, name="Stop the external member, its data kept")
    checkpoint("at rest")
    if in_group(MASTERS):
        end_return(run, name="End the rollback")
    barrier("confirm")
    write_outcome(run, name="Write the run's outcome")


if pyinfra.is_cli:
    rollback()
