"""kubeadm's own record of where etcd is: without it the next upgrade or join looks for a stacked one."""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host, inventory
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from unstack.facts.api import ApiObject
from unstack.facts.cluster import observe_master, placed
from unstack.kubeadm import KubeadmConfigError, with_external_etcd
from unstack.operations.cutover import access_of
from unstack.operations.pki import KEY_MODE, put_file
from unstack.placement import Placement
from unstack.run import Run, is_executing, read
from unstack.scripts import script

PATH = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"


@operation()
def merge_kubeadm_config(run: Run) -> Generator[StringCommand]:
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
    config = read([inventory.get_host(host.name)], ApiObject, access=access, path=PATH)[host.name]
    old = config.get("data", {}).get("ClusterConfiguration", "")
    directory = here.manifest.etcd_certfile.rsplit("/", 1)[0]
    if here.placement is not Placement.EXTERNAL:
        if is_executing():
            raise OperationError(f"{host.name}: not on the external etcd; run tasks/cutover.py first")
        directory = "/"  # only to see that there is something to merge
    try:
        new = with_external_etcd(
            old,
            endpoints=topology.client_urls,
            cafile=f"{directory}/ca.crt",
            certfile=f"{directory}/client.crt",
            keyfile=f"{directory}/client.key",
        )
    except KubeadmConfigError as error:
        raise OperationError(f"{host.name}: {error}") from None
    if new == old:
        host.noop("kubeadm-config names the external cluster")
        return
    kept = f"{topology.settings.kept_directory}/stacked/ClusterConfiguration.yaml"
    yield from put_file(kept, old, KEY_MODE)
    patch = script("api-patch", access.url, access.ca, access.certificate, access.key, PATH)
    patch.connector_arguments["_stdin"] = json.dumps({"data": {"ClusterConfiguration": new}})
    yield patch
