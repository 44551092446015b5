"""kubeadm's ClusterConfiguration: etcd.local becomes etcd.external, every other field stays."""

from __future__ import annotations

import io
from collections.abc import Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

VERSIONS = tuple(f"kubeadm.k8s.io/v1beta{number}" for number in (1, 2, 3, 4))


class KubeadmConfigError(Exception):
    """A kubeadm-config that can't be merged; its text is one line for the operator."""


def with_external_etcd(
    text: str, *, endpoints: Sequence[str], cafile: str, certfile: str, keyfile: str
) -> str:
    """The ClusterConfiguration `text` with `etcd.external` in the place of `etcd.local`.

    Returns `text` itself where it names these endpoints already. Raises KubeadmConfigError where
    it is missing, of an unknown kind or version, or external with other endpoints.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a folded line would be a change of its own
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise KubeadmConfigError(f"kubeadm-config is no readable YAML: {error}") from None
    if not isinstance(document, dict):
        raise KubeadmConfigError("kubeadm-config holds no ClusterConfiguration")
    if document.get("kind") != "ClusterConfiguration":
        raise KubeadmConfigError(f"kubeadm-config holds a {document.get('kind')}")
    if document.get("apiVersion") not in VERSIONS:
        raise KubeadmConfigError(
            f"kubeadm-config has apiVersion {document.get('apiVersion')}, known are {VERSIONS}"
        )
    etcd = document.get("etcd")
    if not isinstance(etcd, dict) or not {"local", "external"} & set(etcd):
        raise KubeadmConfigError("kubeadm-config has neither etcd.local nor etcd.external")
    external = {
        "caFile": cafile,
        "certFile": certfile,
        "endpoints": list(endpoints),
        "keyFile": keyfile,
    }
    if "external" in etcd:
        if dict(etcd["external"]) == external:
            return text
        raise KubeadmConfigError("kubeadm-config names another external etcd already")
    del etcd["local"]
    etcd["external"] = external
    # Sequences as kubeadm itself writes them: not indented below their key.
    yaml.indent(mapping=2, sequence=2, offset=0)
    output = io.StringIO()
    yaml.dump(document, output)
    return output.getvalue()
