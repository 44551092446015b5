"""Renew: every certificate of the external cluster but its CA, without a restart and without a gap.

kubeadm renews none of them: it knows that the external etcd is not its own.
"""

import pyinfra

from unstack.operations.pki import install_apiserver_pki, install_member_pki, renew_leaves
from unstack.operations.status import show_status
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def renew() -> None:
    """Register the task; every host passes its barriers."""
    run = begin()
    renew_leaves(run, name="Make the certificates anew on the control node")
    checkpoint("certificates made")
    if in_group(ETCD):
        install_member_pki(run, renew=True, name="Install the member's certificates")
    checkpoint("members have theirs")
    if in_group(MASTERS):
        install_apiserver_pki(run, renew=True, name="Install the API server's client certificate")
    barrier("renew")
    show_status(run, name="Show where the cluster stands")


if pyinfra.is_cli:
    renew()
