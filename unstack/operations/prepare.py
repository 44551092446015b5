"""Everything that can be done before the outage, so that the outage is short."""

from __future__ import annotations

import hashlib

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError

from unstack.compose import render_compose
from unstack.facts.cluster import (
    is_migrated,
    known_etcd_hosts,
    observe_master,
    placed,
)
from unstack.guard import Commands, step
from unstack.manifest import ManifestError
from unstack.observations import EtcdHost
from unstack.operations.pki import KEY_MODE, put_file
from unstack.operations.start import compose_words
from unstack.operations.strategy import strategy_of
from unstack.placement import Placed, Placement, external_manifest
from unstack.run import TEMPLATES, Run
from unstack.scripts import script
from unstack.strategy import Strategy
from unstack.topology import Topology


@step
def pull_image(run: Run) -> Commands:
    """
    Have the etcd image on the host.

    + run: this run
    """
    image = run.topology.settings.etcd_image
    if is_migrated(run):
        host.noop("the external cluster is in use")
        return
    if known_etcd_hosts(run)[host.name].has_image:
        host.noop(f"{image} is here")
        return
    yield StringCommand("docker pull", QuoteString(image))


@step
def write_compose_file(run: Run) -> Commands:
    """
    Write the member's compose file, and have its data directory, private, with nothing in it.

    + run: this run
    """
    topology, settings = run.topology, run.topology.settings
    member = topology.member(host.name)
    if member is None:
        raise OperationError(f"{host.name} is no external member")
    if is_migrated(run):
        host.noop("the external cluster is in use")
        return
    observed = known_etcd_hosts(run)[host.name]
    if _has_joined(run, observed):
        host.noop("this member has joined the cluster")
        return
    template = (TEMPLATES / "docker-compose.yaml.j2").read_text(encoding="utf-8")
    content = render_compose(topology, member, template)
    path = f"{settings.etcd_config_directory}/docker-compose.yaml"
    if observed.sha256.get(path) == hashlib.sha256(content.encode()).hexdigest():
        host.noop(f"{path} is as it should be")
        return
    yield script("directories", settings.etcd_config_directory, settings.etcd_data_directory)
    yield from put_file(path, content, KEY_MODE)


@step
def create_container(run: Run) -> Commands:
    """
    Have compose check the file and create the member's container, without starting it.

    + run: this run
    """
    settings = run.topology.settings
    if is_migrated(run):
        host.noop("the external cluster is in use")
        return
    observed = known_etcd_hosts(run)[host.name]
    if observed.container == "running" and not observed.has_rehearsal:
        host.noop("the member runs")
        return
    if _has_joined(run, observed):
        host.noop("this member has joined the cluster")
        return
    yield script(
        "create-container",
        settings.etcd_config_directory,
        settings.etcd_data_directory,
        settings.etcd_container,
        *compose_words(run),
    )


def _has_joined(run: Run, observed: EtcdHost) -> bool:
    """A member of a live migration that is gone on with: it keeps the container by which it joined."""
    note = observed.restored
    return strategy_of(run) is Strategy.LIVE and observed.has_data and note is not None and note.has_joined


@step
def prepare_manifest(run: Run) -> Commands:
    """
    Make the new kube-apiserver manifest from the live one, beside the static pod directory.

    + run: this run
    """
    observed = observe_master(host, run.topology)
    here = placed(host.name, observed, run.topology)
    if here.placement is Placement.EXTERNAL:
        host.noop("this master has its new manifest already")
        return
    content = new_manifest(here, run.topology)
    if observed.prepared == content and not run.rehearses:
        host.noop("the new manifest is prepared")
        return
    settings = run.topology.settings
    beside = settings.state_directory if run.rehearses else f"{settings.kept_directory}/prepared"
    path = f"{beside}/kube-apiserver.yaml"
    yield from put_file(path, content, KEY_MODE)


def new_manifest(here: Placed, topology: Topology) -> str:
    """The master's own manifest with the etcd settings changed. Raises OperationError if it can't be."""
    template = (TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text(encoding="utf-8")
    try:
        return external_manifest(here, topology, template)
    except ManifestError as error:
        raise OperationError(f"{host.name}: {error}") from None
