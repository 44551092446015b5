"""Cutover: the control plane starts on the external cluster. The outage ends here."""

import pyinfra

from unstack.operations.cutover import (
    await_api_server,
    check_prepared,
    cut_over,
    start_controllers,
)
from unstack.operations.leases import release_leases
from unstack.operations.prove import prove_equal
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import MASTERS


def cutover() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    prove_equal(run, name="Compare every member, unless this run has done so")
    if in_group(MASTERS):
        check_prepared(run, name="Check that the new manifests fit the old ones")
    checkpoint("proven")
    if in_group(MASTERS):
        cut_over(run, name="Put the new kube-apiserver manifest in place")
        await_api_server(run, name="Wait for the API server on the external etcd")
        release_leases(run, name="Let go of the stopped controllers' leases")
        start_controllers(run, name="Start controller-manager and scheduler")
    barrier("cutover")


if pyinfra.is_cli:
    cutover()
