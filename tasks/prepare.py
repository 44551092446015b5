"""Prepare: all that can be done before the outage is done before it. Nothing runs yet."""

import pyinfra

from unstack.operations.pod_probe import probe_before
from unstack.operations.prepare import (
    create_container,
    prepare_manifest,
    pull_image,
    write_compose_file,
)
from unstack.operations.rehearse import clear_rehearsal
from unstack.run import barrier, begin, checkpoint, in_group
from unstack.topology import ETCD, MASTERS


def prepare() -> None:
    """Register the stage; every host passes its barriers."""
    run = begin()
    clear_rehearsal(run, name="Clear away what a rehearsal left")
    if in_group(ETCD):
        pull_image(run, name="Pull the etcd image")
        write_compose_file(run, name="Write the member's compose file")
        create_container(run, name="Create the member's container")
    if in_group(MASTERS):
        prepare_manifest(run, name="Prepare the new kube-apiserver manifest")
    checkpoint("prepared")
    probe_before(run, name="Time pods beforehand")
    barrier("prepare")


if pyinfra.is_cli:
    prepare()
