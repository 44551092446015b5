"""The machines: containers that behave like servers, made, started and looked into."""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import docker
import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.types import IPAMConfig, IPAMPool

from lab import engine
from lab.errors import LabError
from lab.images import Images
from lab.shape import NETWORK, PREFIX, Node, Plan

_BOOT_SECONDS = 90.0
_LABEL = PREFIX
_OWNER = f"{PREFIX}.owner"
_ARCHIVES = "/opt/lab/images"
_T = TypeVar("_T")
_R = TypeVar("_R")


def parallel(action: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """Results of `action` on each item, all at once, in order; the first error is raised."""
    work = list(items)
    if not work:
        return []
    with ThreadPoolExecutor(max_workers=len(work)) as pool:
        return list(pool.map(action, work))


def network_subnets(client: docker.DockerClient) -> list[str]:
    """Subnets of every Docker network but the lab's own."""
    found = []
    for network in client.networks.list():
        if network.name != NETWORK:
            for config in (network.attrs.get("IPAM") or {}).get("Config") or []:
                found.append(str(config["Subnet"]))
    return found


def own_subnet(client: docker.DockerClient) -> str | None:
    """The subnet of the lab's own network, if there is one."""
    for network in client.networks.list(names=[f"^{NETWORK}$"]):
        for config in (network.attrs.get("IPAM") or {}).get("Config") or []:
            return str(config["Subnet"])
    return None


def create_network(client: docker.DockerClient, subnet: str) -> None:
    """The lab's own network, made unless it is there already."""
    if not client.networks.list(names=[f"^{NETWORK}$"]):
        client.networks.create(
            NETWORK,
            driver="bridge",
            labels={_LABEL: "network"},
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
        )


def create(
    client: docker.DockerClient,
    node: Node,
    plan: Plan,
    images: Images,
    files: dict[str, tuple[bytes, int]],
    archives: Sequence[Path] = (),
    *,
    owner: str,
) -> Container:
    """Make and start a machine; an existing one of that name is removed, its images are kept.

    + owner: whose lab it belongs to, for `owner`
    + files: absolute path -> (content, mode), in place before the first process runs
    + archives: tar files unpacked at / before the first process runs
    """
    remove(client, node)
    is_etcd = node.role == "etcd"
    store = images.etcd_archives if is_etcd else images.kubernetes_archives
    host = client.api.create_host_config(
        tmpfs={"/run": "", "/run/lock": "", "/tmp": "exec"},
        binds={
            # The image store outlives the machine: loading images anew takes long.
            _docker_volume(node): {"bind": "/var/lib/docker", "mode": "rw"},
            "/lib/modules": {"bind": "/lib/modules", "mode": "ro"},
            str(store): {"bind": _ARCHIVES, "mode": "ro"},
        },
        extra_hosts={other.hostname: other.ip for other in plan.nodes if other != node},
        network_mode=NETWORK,
    )
    host.update(_privileges())
    # A control group tree of its own: systemd takes the root of what it sees.
    host["CgroupnsMode"] = "private"
    # All of /proc and /sys, as on a server; only --privileged has a proper option for it.
    host["MaskedPaths"] = host["ReadonlyPaths"] = []
    endpoint = client.api.create_endpoint_config(ipv4_address=node.ip, aliases=[node.hostname])
    created = client.api.create_container(
        images.etcd_host if is_etcd else images.kubernetes_node,
        name=node.container,
        hostname=node.hostname,
        labels={_LABEL: node.role, _OWNER: owner},
        host_config=host,
        networking_config={"EndpointsConfig": {NETWORK: endpoint}},
    )
    container = client.containers.get(created["Id"])
    container.put_archive("/", tar({**files, "/etc/lab-made-anew": (b"", 0o644)}))
    for archive in archives:
        with archive.open("rb") as stream:
            container.put_archive("/", stream)
    container.start()
    return container


def remove(client: docker.DockerClient, node: Node) -> None:
    """Remove the machine, whatever state it is in, but not its image store."""
    try:
        client.containers.get(node.container).remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        # Somebody else is removing it at this moment; wait until it is gone.
        if error.status_code != 409:
            raise
        wait_until(lambda: not _exists(client, node.container), 30, f"{node.container} is gone")


def remove_image_store(client: docker.DockerClient, node: Node) -> None:
    """Remove the images of a machine that has been removed, where there are any."""
    with suppress(NotFound):
        client.volumes.get(_docker_volume(node)).remove(force=True)


def remove_all(client: docker.DockerClient) -> None:
    """Remove every container, volume and network of the lab; a network that is stuck stays."""
    containers = client.containers.list(all=True, filters={"label": _LABEL})
    parallel(lambda container: container.remove(force=True, v=True), containers)
    for volume in _volumes(client):
        volume.remove(force=True)
    for network in client.networks.list(names=[f"^{NETWORK}$"]):
        try:
            network.remove()
        except APIError as error:
            # The engine can lose count of the endpoints of containers that are gone, and then
            # refuses until it is started anew: seen. Such a network can be used again.
            if error.status_code != HTTPStatus.FORBIDDEN:
                raise


def anything_left(client: docker.DockerClient) -> bool:
    """Whether this machine has any container, volume or network of a lab."""
    return bool(
        client.containers.list(all=True, filters={"label": _LABEL})
        or client.networks.list(names=[f"^{NETWORK}$"])
        or _volumes(client)
    )


def stopped(client: docker.DockerClient, names: Iterable[str]) -> list[str] | None:
    """Which of these containers do not run; None if any does not even exist."""
    found = {c.name: c.status for c in client.containers.list(all=True)}
    wanted = list(names)
    if any(name not in found for name in wanted):
        return None
    return [name for name in wanted if found[name] != "running"]


def owner(client: docker.DockerClient, node: Node) -> str:
    """Whose lab a machine belongs to: machines are one set, checkouts may be many."""
    return str(client.containers.get(node.container).labels.get(_OWNER, ""))


def execute(client: docker.DockerClient, container: str, command: Sequence[str] | str) -> tuple[int, str]:
    """Exit code and output (both streams) of a command in a machine; text runs in a shell."""
    argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
    api = client.api
    try:
        started = api.exec_create(container, argv)["Id"]
        # Not exec_start: it reads past the buffer that holds the answer's head, and loses the output
        # that came along with that (docker-py#3332).
        url = f"{api.base_url}/v{api.api_version}/exec/{started}/start"
        answer = api.post(url, json={"Detach": False, "Tty": False}, timeout=None)
        answer.raise_for_status()
        code = api.exec_inspect(started)["ExitCode"]
    except (APIError, requests.RequestException) as error:
        reason = getattr(error, "explanation", None) or error
        raise LabError(f"{container}: cannot run a command: {reason}") from error
    if code is None:
        raise LabError(f"{container}: a command ended without an exit code")
    return code, _payload(answer.content).decode(errors="replace")


def _payload(frames: bytes) -> bytes:
    """What both streams hold, without the engine's 8 bytes before each piece, whose last 4 are its length."""
    pieces, start = [], 0
    while start < len(frames):
        end = start + 8 + int.from_bytes(frames[start + 4 : start + 8], "big")
        pieces.append(frames[start + 8 : end])
        start = end
    return b"".join(pieces)


def check(client: docker.DockerClient, container: str, command: Sequence[str] | str) -> str:
    """Output of a command that has to succeed."""
    code, output = execute(client, container, command)
    if code != 0:
        shown = command if isinstance(command, str) else " ".join(command)
        tail = " | ".join(output.strip().splitlines()[-3:])
        raise LabError(f"{container}: `{shown[:120]}` failed with exit code {code}: {tail}")
    return output


def fetch(client: docker.DockerClient, container: str, source: str, target: Path) -> None:
    """Copy one file out of a machine; the target appears only when it is whole."""
    stream, _ = client.containers.get(container).get_archive(source, chunk_size=1 << 20)
    wrapped, whole = target.with_suffix(".wrapped"), target.with_suffix(".new")
    with wrapped.open("wb") as file:
        file.writelines(stream)
    with tarfile.open(wrapped) as outer:
        content = outer.extractfile(outer.getmembers()[0])
        if content is None:
            raise LabError(f"{container}: {source} is not a file")
        with whole.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
    wrapped.unlink()
    whole.rename(target)


def wait_booted(client: docker.DockerClient, node: Node) -> None:
    """Wait until sshd and the machine's own engine answer, and load what images it lacks."""
    probe = "systemctl is-active -q ssh docker && docker info >/dev/null 2>&1"

    def booted() -> bool:
        return execute(client, node.container, probe)[0] == 0

    wait_until(booted, _BOOT_SECONDS, f"{node.name}: ssh and docker run")
    check(
        client,
        node.container,
        f"for archive in {_ARCHIVES}/*.tar; do"
        ' name=$(cat "${archive%.tar}.name");'
        ' docker image inspect "$name" >/dev/null 2>&1 ||'
        ' docker load -q -i "$archive" || exit 1; done',
    )


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds; raises LabError that says what did not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.3)


def _docker_volume(node: Node) -> str:
    return f"{node.container}-docker"


def _volumes(client: docker.DockerClient) -> list[Volume]:
    return [v for v in client.volumes.list() if v.name.startswith(f"{PREFIX}-")]


def _exists(client: docker.DockerClient, name: str) -> bool:
    try:
        client.containers.get(name)
    except NotFound:
        return False
    return True


def _privileges() -> dict[str, object]:
    if engine.has_all_capabilities():
        return {"Privileged": True}
    # Without CAP_SYS_RESOURCE --privileged fails as a whole; this is all of it but that.
    return {
        "CapAdd": ["ALL"],
        "CapDrop": ["SYS_RESOURCE"],
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "DeviceCgroupRules": ["a *:* rwm"],
    }


def tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar archive of files, absolute path -> (content, mode), owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode) in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode, member.mtime = len(content), mode, int(time.time())
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
