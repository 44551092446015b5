"""kubeadm's own record of where etcd is: without it the next upgrade or join looks for a stacked one."""

from __future__ import annotations

import json

from pyinfra import host, inventory, logger
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import OperationError

from unstack.api_access import ApiAccess
from unstack.facts.api import ApiObject
from unstack.facts.cluster import observe_master, placed
from unstack.guard import Commands, is_executing, step
from unstack.kubeadm import KubeadmConfigError, with_external_etcd, with_kept_etcd
from unstack.manifest import ApiServerManifest, ManifestError, pki_directory
from unstack.observations import parse_report
from unstack.operations.cutover import access_of
from unstack.operations.pki import KEY_MODE, put_file
from unstack.operations.way_back import Way, way_of
from unstack.placement import Placement
from unstack.remote import run_script
from unstack.report.diff import diff_lines
from unstack.report.source import Change
from unstack.run import Run, read
from unstack.scripts import script
from unstack.topology import Topology

PATH = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
FILE = "kubeadm-config (ClusterConfiguration)"


@step
def merge_kubeadm_config(run: Run) -> Commands:
    """
    Merge the external endpoints into kubeadm-config; every other field stays as it is.

    + run: this run

    The old ClusterConfiguration is kept beside the old manifests.
    """
    if host.name != run.lead():
        host.noop(f"kubeadm-config is merged from {run.lead()}")
        return
    topology = run.topology
    observed = observe_master(host, topology)
    here = placed(host.name, observed, topology)
    access = access_of(host.name, observed, topology)
    if not is_executing() and not observed.running("kube-apiserver"):
        yield _patch(access, "")  # nobody can be asked: a run that died has left the fence closed
        return
    old = cluster_configuration(access)
    if here.placement is not Placement.EXTERNAL and is_executing():
        raise OperationError(
            f"{host.name}: found an API server on the stacked etcd; expected the external one;"
            " to do: run tasks/cutover.py first"
        )
    new = merged(host.name, old, here.manifest, topology)
    if new == old:
        host.noop("kubeadm-config names the external cluster")
        return
    _show(old, new)
    yield from put_file(_kept(topology), old, KEY_MODE)
    yield _patch(access, new)
    run.note_change(host.name, FILE, old, new)


def merged(name: str, old: str, manifest: ApiServerManifest, topology: Topology) -> str:
    """The ClusterConfiguration `old` with the external cluster. Raises OperationError if it can't be."""
    try:
        directory = pki_directory(manifest)
        return with_external_etcd(
            old,
            endpoints=topology.client_urls,
            cafile=f"{directory}/ca.crt",
            certfile=f"{directory}/client.crt",
            keyfile=f"{directory}/client.key",
        )
    except (KubeadmConfigError, ManifestError) as error:
        raise OperationError(f"{name}: {error}") from None


@step
def return_kubeadm_config(run: Run) -> Commands:
    """
    Put the kept etcd section back into kubeadm-config; every other field stays as it is now.

    + run: this run
    """
    if host.name != run.lead() or way_of(run) not in (Way.DATA, Way.FINISH):
        host.noop("not from here")
        return
    topology = run.topology
    observed = observe_master(host, topology)
    access = access_of(host.name, observed, topology)
    if not is_executing() and not observed.running("kube-apiserver"):
        yield _patch(access, "")
        return
    found = parse_report(run_script(inventory.get_host(host.name), "observe-file", _kept(topology)))
    if "file" not in found:
        host.noop("kubeadm-config was never changed")
        return
    current = cluster_configuration(access)
    try:
        new = with_kept_etcd(current, found["file"][0])
    except KubeadmConfigError as error:
        raise OperationError(f"{host.name}: {error}") from None
    if new == current:
        host.noop("kubeadm-config names the stacked etcd")
        return
    _show(current, new)
    yield _patch(access, new)
    run.note_change(host.name, FILE, current, new)


def _show(old: str, new: str) -> None:
    """The lines that differ, also while the plan is made: the operator decides by it."""
    for line in diff_lines(Change(host.name, FILE, old, new), context=0):
        logger.info(f"    {line}")


def cluster_configuration(access: ApiAccess) -> str:
    """The ClusterConfiguration of kubeadm-config, asked of this host's own API server; "" if none."""
    config = read([inventory.get_host(host.name)], ApiObject, access=access, path=PATH)[host.name]
    text: str = config.get("data", {}).get("ClusterConfiguration", "")
    return text


def _patch(access: ApiAccess, text: str) -> StringCommand:
    patch = script("api-patch", access.url, access.ca, access.certificate, access.key, PATH)
    patch.connector_arguments["_stdin"] = json.dumps({"data": {"ClusterConfiguration": text}})
    return patch


def _kept(topology: Topology) -> str:
    return f"{topology.settings.kept_directory}/stacked/ClusterConfiguration.yaml"
