"""kubeadm's ClusterConfiguration: etcd.local becomes etcd.external and back, every other field stays."""

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
    document = _document(text, "kubeadm-config")
    etcd = document["etcd"]
    files = {"caFile": cafile, "certFile": certfile, "keyFile": keyfile}
    if "external" in etcd:
        _refuse_another(etcd["external"], endpoints, files)
        return text
    new = _replaced(text, [str(endpoint) for endpoint in endpoints], files)
    external = {"external": {**files, "endpoints": list(endpoints)}}
    others = {key: value for key, value in etcd.items() if key != "local"}
    _check(new, {**document, "etcd": {**others, **external}})
    return new


def with_kept_etcd(current: str, kept: str) -> str:
    """The ClusterConfiguration `current` with the etcd section of `kept` back in the place of its own.

    Only the lines of that section are replaced, and the parsed documents are compared. Returns
    `current` itself where it has the kept etcd.local already. Raises KubeadmConfigError where one of
    them is missing or of an unknown kind or version, where `kept` has no etcd.local, and where
    `current` has another one or an apiVersion that the kept one is not written for.
    """
    document, old = _document(current, "kubeadm-config"), _document(kept, "the kept kubeadm-config")
    etcd = old["etcd"]
    if "local" not in etcd:
        raise KubeadmConfigError("the kept kubeadm-config has no etcd.local")
    if "local" in document["etcd"]:
        if document["etcd"] != etcd:
            raise KubeadmConfigError("kubeadm-config has another etcd.local than the kept one")
        return current
    _refuse_another_form(etcd["local"], now=document["apiVersion"], before=old["apiVersion"])
    new = _put_back(current, kept, etcd)
    _check(new, {**document, "etcd": etcd})
    return new


def with_init_configuration(text: str, *, advertise_address: str, bind_port: int) -> str:
    """The ClusterConfiguration `text` behind what else `kubeadm init` wants to know of a host.

    A node's name is no part of the API server's manifest; it is given because kubeadm would take the
    hostname, and refuse one that can't be a node's. Raises KubeadmConfigError where `text` is missing or
    of an unknown kind or version.
    """
    init = {
        "apiVersion": _document(text, "kubeadm-config")["apiVersion"],
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": advertise_address, "bindPort": bind_port},
        "nodeRegistration": {"name": "node"},
    }
    return f"{json.dumps(init)}\n---\n{text.removeprefix('---').lstrip()}"


def _document(text: str, name: str) -> dict[str, Any]:
    document = _load(text, name)
    if not isinstance(document, dict):
        raise KubeadmConfigError(f"{name} holds no ClusterConfiguration")
    if document.get("kind") != "ClusterConfiguration":
        raise KubeadmConfigError(f"{name} holds a {document.get('kind')}")
    if document.get("apiVersion") not in VERSIONS:
        raise KubeadmConfigError(f"{name} has apiVersion {document.get('apiVersion')}, known are {VERSIONS}")
    etcd = document.get("etcd")
    if not isinstance(etcd, dict) or not {"local", "external"} & set(etcd):
        raise KubeadmConfigError(f"{name} has neither etcd.local nor etcd.external")
    if {"local", "external"} <= set(etcd):
        raise KubeadmConfigError(f"{name} has both etcd.local and etcd.external")
    return document


def _load(text: str, name: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise KubeadmConfigError(f"{name} is no readable YAML: {yaml_problem(error)}") from None


def _check(new: str, expected: dict[str, Any]) -> None:
    if _load(new, "the changed kubeadm-config") != expected:
        raise KubeadmConfigError("kubeadm-config can't be changed in its etcd section alone")


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


def _refuse_another_form(local: Any, *, now: str, before: str) -> None:
    """v1beta4 made a list of extraArgs, a mapping until then: kubeadm reads neither as the other."""
    has_arguments = isinstance(local, dict) and bool(local.get("extraArgs"))
    if has_arguments and (now == "kubeadm.k8s.io/v1beta4") != (before == "kubeadm.k8s.io/v1beta4"):
        raise KubeadmConfigError(
            f"kubeadm-config has apiVersion {now}, the kept etcd.local.extraArgs are in the form of {before}"
        )


def _replaced(text: str, endpoints: list[str], files: dict[str, str]) -> str:
    _, etcd = _entry(_compose(text), "etcd")
    key, value = _entry(etcd, "local")
    if etcd.flow_style:
        start, end = key.start_mark.index, value.end_mark.index
        external = {**files, "endpoints": endpoints}
        return f'{text[:start]}"external": {json.dumps(external)}{text[end:]}'
    start, end = _lines(text, key, value)
    indent = " " * key.start_mark.column
    # The order of the fields, and lists not indented below their key, as kubeadm writes them.
    lines = [f"{indent}external:"]
    lines += [f"{indent}  {name}: {files[name]}" for name in ("caFile", "certFile")]
    lines += [f"{indent}  endpoints:", *(f"{indent}  - {endpoint}" for endpoint in endpoints)]
    lines.append(f"{indent}  keyFile: {files['keyFile']}")
    ending = "\r\n" if "\r\n" in text[start:end] else "\n"
    block = ending.join(lines) + (ending if text[:end].endswith("\n") else "")
    return f"{text[:start]}{block}{text[end:]}"


def _put_back(current: str, kept: str, etcd: dict[str, Any]) -> str:
    start, end, column = _section(current)
    kept_start, kept_end, kept_column = _section(kept)
    ending = "\r\n" if "\r\n" in current else "\n"
    section = kept[kept_start:kept_end]
    if column != kept_column:  # its lines would not fit in
        section = json.dumps(etcd, default=str)
        if column is not None:
            section = f"{' ' * column}etcd: {section}"
    elif ("\r\n" in current) != ("\r\n" in kept):
        section = section.replace("\r\n", "\n").replace("\n", ending)
    if current[start:end].endswith("\n") and not section.endswith("\n"):
        section += ending
    return f"{current[:start]}{section}{current[end:]}"


def _section(text: str) -> tuple[int, int, int | None]:
    """Where the etcd section is: its lines and their column, or the mere value in flow style."""
    root = _compose(text)
    key, value = _entry(root, "etcd")
    if root.flow_style:
        return value.start_mark.index, value.end_mark.index, None
    return *_lines(text, key, value), key.start_mark.column


def _compose(text: str) -> MappingNode:
    root: MappingNode = YAML(typ="safe", pure=True).compose(text)
    return root


def _entry(node: MappingNode, name: str) -> tuple[Node, MappingNode]:
    for key, value in node.value:
        if key.value == name:
            return key, value
    # A merge key brings it from elsewhere.
    raise KubeadmConfigError(f"kubeadm-config does not have {name} in its own place")


def _lines(text: str, key: Node, value: Node) -> tuple[int, int]:
    """Where the lines of an entry in block style begin and end."""
    start, end = text.rfind("\n", 0, key.start_mark.index) + 1, _last(value).end_mark.index
    if not text[:end].endswith("\n"):  # a block scalar ends behind its line
        end = text.find("\n", end) + 1 or len(text)
    return start, end


def _last(node: Node) -> Node:
    """The last node within: a block's own end mark lies behind the comments that follow it."""
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        return node
    if isinstance(node, SequenceNode):
        return _last(node.value[-1])
    return _last(node.value[-1][1])
