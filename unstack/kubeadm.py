"""kubeadm's ClusterConfiguration: etcd.local becomes etcd.external, every other field stays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from unstack.manifest import same_urls, yaml_problem

VERSIONS = tuple(f"kubeadm.k8s.io/v1beta{number}" for number in (1, 2, 3, 4))


class KubeadmConfigError(Exception):
    """A kubeadm-config that can't be merged; its text is one line for the operator."""


def with_external_etcd(
    text: str, *, endpoints: Sequence[str], cafile: str, certfile: str, keyfile: str
) -> str:
    """The ClusterConfiguration `text` with `etcd.external` in the place of `etcd.local`.

    Only the lines of `etcd.local` are replaced, and the parsed documents are compared. Returns
    `text` itself where it names these endpoints, in any order, and these files already. Raises
    KubeadmConfigError where it is missing, of an unknown kind or version, or external otherwise.
    """
    document = _load(text)
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
    files = {"caFile": cafile, "certFile": certfile, "keyFile": keyfile}
    if "external" in etcd:
        if "local" in etcd:
            raise KubeadmConfigError("kubeadm-config has both etcd.local and etcd.external")
        _refuse_another(etcd["external"], endpoints, files)
        return text
    new = _replaced(text, [str(endpoint) for endpoint in endpoints], files)
    external = {"external": {**files, "endpoints": list(endpoints)}}
    others = {key: value for key, value in etcd.items() if key != "local"}
    if _load(new) != {**document, "etcd": {**others, **external}}:
        raise KubeadmConfigError("kubeadm-config can't be changed in its etcd section alone")
    return new


def _load(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise KubeadmConfigError(f"kubeadm-config is no readable YAML: {yaml_problem(error)}") from None


def _refuse_another(external: Any, endpoints: Sequence[str], files: dict[str, str]) -> None:
    found = external if isinstance(external, dict) else {}
    named = [str(url) for url in found.get("endpoints") or ()]
    if not same_urls(named, endpoints):
        raise KubeadmConfigError(f"kubeadm-config names another external etcd already: {named}")
    for key, path in files.items():
        if found.get(key) != path:
            raise KubeadmConfigError(
                f"kubeadm-config has etcd.external.{key} {found.get(key)}, expected {path}"
            )


def _replaced(text: str, endpoints: list[str], files: dict[str, str]) -> str:
    etcd = _value(YAML(typ="safe", pure=True).compose(text), "etcd")
    key, value = next(pair for pair in etcd.value if pair[0].value == "local")
    start, end = key.start_mark.index, _last(value).end_mark.index
    if etcd.flow_style:
        external = {**files, "endpoints": endpoints}
        return f'{text[:start]}"external": {json.dumps(external)}{text[end:]}'
    start = text.rfind("\n", 0, start) + 1
    if not text[:end].endswith("\n"):  # a block scalar ends behind its line
        end = text.find("\n", end) + 1 or len(text)
    indent = " " * key.start_mark.column
    # The order of the fields, and lists not indented below their key, as kubeadm writes them.
    lines = [f"{indent}external:"]
    lines += [f"{indent}  {name}: {files[name]}" for name in ("caFile", "certFile")]
    lines += [f"{indent}  endpoints:", *(f"{indent}  - {endpoint}" for endpoint in endpoints)]
    lines.append(f"{indent}  keyFile: {files['keyFile']}")
    ending = "\r\n" if "\r\n" in text[start:end] else "\n"
    block = ending.join(lines) + (ending if text[:end].endswith("\n") else "")
    return f"{text[:start]}{block}{text[end:]}"


def _value(node: Node, name: str) -> MappingNode:
    found: MappingNode = next(value for key, value in node.value if key.value == name)
    return found


def _last(node: Node) -> Node:
    """The last node within: a block's own end mark lies behind the comments that follow it."""
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return node
    if isinstance(node, SequenceNode):
        return _last(node.value[-1])
    return _last(node.value[-1][1])
