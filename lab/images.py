"""Images: those of the lab's machines, and those that the machines' own engines run."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import BuildError, ImageNotFound

from lab.artifacts import Artifacts
from lab.errors import LabError
from lab.paths import RECIPES, cache, recipe_key
from lab.progress import step

STACKED_ETCD_TAG = "3.5.1-0"
# Changes whenever the archives are made differently from the same parts.
_LAYOUT = "archives and names"
# `pause -v`, its version, is what kubeadm's health check runs, and it waits 15 s for the end.
_PAUSE = ["/sh", "-c", '[ "$1" = -v ] || exec /pause -P', "pause"]
_PROGRAM_FOLDER = "usr/local/bin"


@dataclass(frozen=True)
class Images:
    """Names of the machines' images, and the folders of archives that their engines load."""

    kubernetes_node: str
    etcd_host: str
    load_balancer: str
    kubernetes_archives: Path
    etcd_archives: Path
    etcd_image: str
    old_etcd_image: str
    key: str


def ensure(client: docker.DockerClient, artifacts: Artifacts) -> Images:
    """All images, made where they are missing."""
    key = recipe_key(["node", "kubernetes-node", "etcd-host", "load-balancer"], artifacts.key)
    etcd_image = f"unstack-lab/etcd:{artifacts.etcd_version}"
    old_etcd_image = "unstack-lab/etcd:v3.5.1"
    archives = _archives(client, artifacts, etcd_image, old_etcd_image)

    rootfs = {"ROOTFS": artifacts.rootfs_image}
    node = _build(client, "node", key, rootfs, {"files": RECIPES / "node" / "files"})
    kubernetes_node = _build(
        client,
        "kubernetes-node",
        key,
        {"NODE": node},
        {
            "files": RECIPES / "kubernetes-node" / "files",
            **{f"binaries/{name}": artifacts.kubernetes / name for name in ("kubeadm", "kubelet", "kubectl")},
        },
    )
    etcd_host = _build(client, "etcd-host", key, {"NODE": node}, {"compose": artifacts.programs / "compose"})
    return Images(
        kubernetes_node=kubernetes_node,
        etcd_host=etcd_host,
        load_balancer=_build(client, "load-balancer", key, rootfs, {}),
        kubernetes_archives=archives / "kubernetes",
        etcd_archives=archives / "etcd",
        etcd_image=etcd_image,
        old_etcd_image=old_etcd_image,
        key=key,
    )


def _build(
    client: docker.DockerClient,
    name: str,
    key: str,
    arguments: dict[str, str],
    context: dict[str, Path],
) -> str:
    image = f"unstack-lab/{name}:{key}"
    try:
        client.images.get(image)
        return image
    except ImageNotFound:
        pass
    with step(f"building image {name}"), tempfile.TemporaryDirectory(dir=cache()) as temporary:
        folder = Path(temporary)
        shutil.copy(RECIPES / name / "Dockerfile", folder / "Dockerfile")
        for target, source in context.items():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, folder / target)
            else:
                shutil.copy2(source, folder / target)
        try:
            client.images.build(
                path=str(folder),
                tag=image,
                buildargs=arguments,
                network_mode="host",
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            raise LabError(f"image {name} could not be built: {error}") from error
    return image


def _archives(
    client: docker.DockerClient, artifacts: Artifacts, etcd_image: str, old_etcd_image: str
) -> Path:
    """A folder of `docker save` archives, X.tar with its image's name in X.name.

    There is one folder for each kind of machine.

    This machine's own engine needs those images only to write the archives, and forgets them.
    """
    folder = cache() / f"images-{recipe_key([], artifacts.key, STACKED_ETCD_TAG, _LAYOUT)}"
    if folder.is_dir():
        return folder
    with (
        step("making the images that run inside the machines"),
        tempfile.TemporaryDirectory(prefix=".images-", dir=cache()) as temporary,
    ):
        result = Path(temporary) / "result"
        for image in _kubernetes_images(artifacts):
            component = image.rsplit("/", 1)[-1].split(":")[0]
            target = result / "kubernetes" / f"{component}.tar"
            if component == "etcd":
                name = image.rsplit(":", 1)[0] + f":{STACKED_ETCD_TAG}"
                _image(client, name, _programs(artifacts.stacked_etcd), target)
            elif component == "pause":
                pause = {"pause": artifacts.programs / "pause", "sh": artifacts.shell / "sh"}
                _image(client, image, pause, target, [f"ENTRYPOINT {json.dumps(_PAUSE)}"])
            elif (artifacts.kubernetes / component).exists():
                program = {f"{_PROGRAM_FOLDER}/{component}": artifacts.kubernetes / component}
                _image(client, image, program, target)
        new = artifacts.programs / "etcd"
        files = {path.relative_to(new).as_posix(): path for path in new.rglob("*") if path.is_file()}
        _image(client, etcd_image, files, result / "etcd" / "etcd-new.tar", _ETCD_CHANGES)
        _image(
            client,
            old_etcd_image,
            _programs(artifacts.stacked_etcd),
            result / "etcd" / "etcd-old.tar",
            _ETCD_CHANGES,
        )
        result.rename(folder)
    return folder


_ETCD_CHANGES = ["EXPOSE 2379 2380", 'CMD ["/usr/local/bin/etcd"]']


def _kubernetes_images(artifacts: Artifacts) -> list[str]:
    return (artifacts.kubernetes / "images.txt").read_text().split()


def _programs(folder: Path) -> dict[str, Path]:
    return {f"{_PROGRAM_FOLDER}/{p.name}": p for p in folder.iterdir() if p.is_file()}


def _image(
    client: docker.DockerClient,
    name: str,
    files: dict[str, Path],
    archive: Path,
    changes: list[str] | None = None,
) -> None:
    """Make an image of just these files and nothing else (no shell), and save it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)
        for target, source in sorted(files.items()):
            member = tar.gettarinfo(str(source), target)
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            with source.open("rb") as stream:
                tar.addfile(member, stream)
    repository, tag = name.rsplit(":", 1)
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    client.api.import_image_from_data(
        buffer.getvalue(), repository=repository, tag=tag, changes=[path, *(changes or [])]
    )
    archive.parent.mkdir(parents=True, exist_ok=True)
    with archive.open("wb") as stream:
        for chunk in client.images.get(name).save(named=name):
            stream.write(chunk)
    archive.with_suffix(".name").write_text(f"{name}\n")
    client.images.remove(name)
