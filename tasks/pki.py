"""Certificates: made on the control node, linted, brought to the hosts that use them."""

import pyinfra

from unstack.operations.adopt_ca import adopt_ca
from unstack.operations.pki import install_apiserver_pki, install_member_pki, make_pki
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def pki() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    adopt_ca(run, name="Adopt the stacked etcd's CA for a live migration")
    checkpoint("CA chosen")
    make_pki(run, name="Make the external cluster's certificates on the control node")
    checkpoint("certificates made")
    if in_group(ETCD):
        install_member_pki(run, name="Install the member's certificates")
    if in_group(MASTERS):
        install_apiserver_pki(run, name="Install the API server's client certificate")
    barrier("pki")


if pyinfra.is_cli:
    pki()
