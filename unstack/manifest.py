"""kubeadm's static pod manifests: read them, and make the new kube-apiserver's from the live one.

The new manifest, on the way there and back, is the live one with the lines of the etcd settings
replaced, so that flags, volumes, probes, annotations and comments which somebody added by hand
survive. That only these lines differ is then checked on the parsed documents, not trusted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unstack.manifest_lines import FlagLine, flag_lines, with_flag_lines

ETCD_FLAGS = ("etcd-cafile", "etcd-certfile", "etcd-keyfile", "etcd-servers")
PKI_SUBDIRECTORY = "etcd-external"


class ManifestError(Exception):
    """A manifest that can't be read or safely changed; its text is one line for the operator."""


@dataclass(frozen=True)
class ApiServerManifest:
    """What matters of a kube-apiserver static pod."""

    image: str
    command: tuple[str, ...]  # argv: the container's command and args
    etcd_servers: tuple[str, ...]
    etcd_cafile: str
    etcd_certfile: str
    etcd_keyfile: str
    etcd_servers_overrides: str | None
    advertise_address: str
    secure_port: int
    host_path_mounts: tuple[tuple[str, str], ...]  # (path on the host, path in the container)


@dataclass(frozen=True)
class EtcdManifest:
    """What matters of a stacked etcd's static pod."""

    name: str
    data_directory: str  # on the host
    peer_url: str
    command: tuple[str, ...]


def _parse(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ManifestError(f"the manifest is no readable YAML: {yaml_problem(error)}") from None


def yaml_problem(error: YAMLError) -> str:
    """What is wrong and in which line, in one line: ruamel's own text has several."""
    problem = getattr(error, "problem", None) or next(iter(str(error).splitlines()), "")
    mark = getattr(error, "problem_mark", None)
    return str(problem) if mark is None else f"{problem} (line {mark.line + 1})"


def _container(text: str, component: str) -> tuple[dict[str, Any], dict[str, Any]]:
    document = _parse(text)
    if not isinstance(document, dict) or document.get("kind") != "Pod":
        raise ManifestError(f"{component}.yaml is missing or holds no Pod")
    try:
        (container,) = document["spec"]["containers"]
    except (KeyError, TypeError, ValueError):
        raise ManifestError(f"{component}.yaml does not have one container") from None
    if not isinstance(container, dict):
        raise ManifestError(f"{component}.yaml has a container that is no mapping")
    for holder, key in (
        (container, "command"),
        (container, "args"),
        (container, "volumeMounts"),
        (document["spec"], "volumes"),
    ):
        if not isinstance(holder.get(key) or [], list):
            raise ManifestError(f"{component}.yaml has {key} that are no list")
    command = argv(container)
    if not command or command[0].rsplit("/", 1)[-1] != component:
        raise ManifestError(f"{component}.yaml does not run {component}")
    return document, container


def argv(container: dict[str, Any]) -> tuple[str, ...]:
    """What a container of a pod runs: its command and args."""
    return tuple(str(a) for a in (*(container.get("command") or ()), *(container.get("args") or ())))


def flag(command: Sequence[str], name: str) -> str | None:
    """The value of --name=value in an argv; the last one counts, as it does for the program."""
    prefix = f"--{name}="
    values = [argument[len(prefix) :] for argument in command if argument.startswith(prefix)]
    return values[-1] if values else None


def _refuse_other_spellings(command: Sequence[str]) -> None:
    """kube-apiserver also takes `--etcd_servers=x` and `--etcd-servers x`.

    Left in place beside our own flags these would win or be added to them, and an API server
    would go on with the stacked etcd or its CA although the manifest seems to name ours.
    Raises ManifestError.
    """
    for argument in command:
        name, equals, _ = argument.partition("=")
        plain = name.replace("_", "-")
        if plain.startswith("--") and plain[2:] in ETCD_FLAGS and (not equals or plain != name):
            raise ManifestError(f"kube-apiserver.yaml has {name}, expected {plain}=VALUE in one item")


def read_apiserver(text: str) -> ApiServerManifest:
    """Read a kube-apiserver manifest.

    Raises ManifestError where it is none, or spells an etcd setting in a way kubeadm never does.
    """
    document, container = _container(text, "kube-apiserver")
    command = argv(container)
    _refuse_other_spellings(command)
    # Every one counts: kube-apiserver's --etcd-servers is a list that each further flag adds to.
    prefix = "--etcd-servers="
    servers = ",".join(a[len(prefix) :] for a in command if a.startswith(prefix)).strip(",")
    if not servers:
        raise ManifestError("kube-apiserver.yaml has no --etcd-servers=")
    port = flag(command, "secure-port") or "6443"
    if not port.isdigit():
        raise ManifestError(f"kube-apiserver.yaml has --secure-port={port}")
    return ApiServerManifest(
        image=str(container.get("image", "")),
        command=command,
        etcd_servers=tuple(servers.split(",")),
        etcd_cafile=flag(command, "etcd-cafile") or "",
        etcd_certfile=flag(command, "etcd-certfile") or "",
        etcd_keyfile=flag(command, "etcd-keyfile") or "",
        etcd_servers_overrides=flag(command, "etcd-servers-overrides"),
        advertise_address=flag(command, "advertise-address") or "127.0.0.1",
        secure_port=int(port),
        host_path_mounts=tuple(_host_paths(document, container)),
    )


def read_etcd(text: str) -> EtcdManifest:
    """Read a stacked etcd's manifest. Raises ManifestError where it is none."""
    document, container = _container(text, "etcd")
    command = argv(container)
    name, data = flag(command, "name"), flag(command, "data-dir")
    if not name or not data:
        raise ManifestError("etcd.yaml has no --name= or no --data-dir=")
    # kubeadm mounts it under its own path; a hand may have chosen another.
    mounted = {inside: outside for outside, inside in _host_paths(document, container)}
    return EtcdManifest(
        name=name,
        data_directory=mounted.get(data.rstrip("/"), data),
        peer_url=flag(command, "initial-advertise-peer-urls") or "",
        command=command,
    )


def _host_paths(document: dict[str, Any], container: dict[str, Any]) -> Iterable[tuple[str, str]]:
    paths = {
        volume.get("name"): volume["hostPath"].get("path", "")
        for volume in document["spec"].get("volumes") or ()
        if isinstance(volume, dict) and isinstance(volume.get("hostPath"), dict)
    }
    for mount in container.get("volumeMounts") or ():
        # With a subPath the container sees another directory than the volume's own.
        if (
            isinstance(mount, dict)
            and mount.get("name") in paths
            and not {"subPath", "subPathExpr"} & set(mount)
        ):
            yield paths[mount["name"]].rstrip("/"), str(mount.get("mountPath", "")).rstrip("/")


def same_urls(one: Iterable[str], other: Iterable[str]) -> bool:
    """True where both name the same URLs, in whatever order and with or without an end slash."""
    return {url.strip().rstrip("/") for url in one} == {url.strip().rstrip("/") for url in other}


def pki_directory(manifest: ApiServerManifest) -> str:
    """Where on the master the external cluster's client pair has to lie: beside the present one.

    It is below a directory that the API server's container sees under the same path, so that the
    manifest needs no further mount. Raises ManifestError where there is no such directory.
    """
    base = manifest.etcd_certfile.rsplit("/", 1)[0]
    if not base:
        raise ManifestError("kube-apiserver.yaml has no --etcd-certfile= to put the new one beside")
    # A master that is migrated already names our directory itself.
    directory = base if base.rsplit("/", 1)[-1] == PKI_SUBDIRECTORY else f"{base}/{PKI_SUBDIRECTORY}"
    # The deepest mount is the one that shows: another may be mounted over a part of it.
    holders = [
        (container, host)
        for host, container in manifest.host_path_mounts
        if directory == container or directory.startswith(f"{container}/")
    ]
    if holders:
        container, host = max(holders, key=lambda holder: len(holder[0]))
        if host == container:
            return directory
    raise ManifestError(f"kube-apiserver.yaml mounts no host directory that holds {base}")


def with_external_etcd(
    text: str,
    *,
    client_urls: Sequence[str],
    cafile: str,
    certfile: str,
    keyfile: str,
    template: str,
) -> str:
    """The kube-apiserver manifest `text` with its etcd settings replaced by the template's lines.

    Raises ManifestError where anything else than the etcd settings would differ.
    """
    read_apiserver(text)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    rendered = environment.from_string(template).render(
        client_urls=client_urls, cafile=cafile, certfile=certfile, keyfile=keyfile
    )
    # What somebody noted behind a flag stays behind it.
    notes = {line.name: line.note for line in _etcd_lines(text, "kube-apiserver.yaml") if line.note}
    items = [
        f"{item}{notes.get(item.partition('=')[0][4:], '')}" for item in rendered.splitlines() if item.strip()
    ]
    wanted = (
        f"--etcd-cafile={cafile}",
        f"--etcd-certfile={certfile}",
        f"--etcd-keyfile={keyfile}",
        f"--etcd-servers={','.join(client_urls)}",
    )
    return _replaced(text, items, wanted)


def with_kept_etcd(current: str, kept: str) -> str:
    """The kube-apiserver manifest `current` with its etcd settings replaced by the lines of `kept`.

    Returns `kept` itself, with its comments and its form, where they differ in nothing else. Raises
    ManifestError where one of them can't be read, or anything else than the etcd settings would differ.
    """
    read_apiserver(current)
    try:
        command = read_apiserver(kept).command
    except ManifestError as error:
        raise ManifestError(f"the kept manifest can't be put back: {error}") from None
    if differs_only_in_etcd(current, kept):
        return kept
    _etcd_lines(current, "kube-apiserver.yaml")
    items = [line.item for line in _etcd_lines(kept, "the kept kube-apiserver.yaml")]
    return _replaced(current, items, command)


def _etcd_lines(text: str, name: str) -> list[FlagLine]:
    lines = list(flag_lines(text, ETCD_FLAGS))
    if not lines:
        raise ManifestError(f"{name} does not have one flag a line, as kubeadm writes it")
    return lines


def _replaced(text: str, items: Sequence[str], wanted: Sequence[str]) -> str:
    new = with_flag_lines(text, ETCD_FLAGS, items)
    if not differs_only_in_etcd(text, new):
        raise ManifestError("kube-apiserver.yaml can't be changed in its etcd settings alone")
    if _etcd_flags(read_apiserver(new).command) != _etcd_flags(wanted):
        raise ManifestError(f"kube-apiserver.yaml can't be given {' '.join(_etcd_flags(wanted))}")
    return new


def _etcd_flags(command: Sequence[str]) -> list[str]:
    """Sorted by name alone: of a flag that is there twice the last one may count."""
    return sorted(filter(_is_etcd_flag, command), key=lambda argument: argument.partition("=")[0])


def _is_etcd_flag(item: object) -> bool:
    return str(item).partition("=")[0] in {f"--{name}" for name in ETCD_FLAGS}


def differs_only_in_etcd(old: str, new: str) -> bool:
    """True where two kube-apiserver manifests are equal apart from their four etcd flags."""
    return bool(_without_etcd(old) == _without_etcd(new))


def _without_etcd(text: str) -> Any:
    document, _ = _container(text, "kube-apiserver")
    bare = copy.deepcopy(document)
    container = bare["spec"]["containers"][0]
    for part in ("command", "args"):
        if container.get(part):
            container[part] = [item for item in container[part] if not _is_etcd_flag(item)]
    return bare
