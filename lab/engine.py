"""The Docker engine of this machine: found, or installed and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import docker
from docker.errors import DockerException

from lab.errors import LabError
from lab.paths import cache
from lab.progress import say, step

_ENGINE_START_SECONDS = 60.0
_CAP_SYS_RESOURCE = 24
# Seven systemds, and a kubelet in several of them, share the limit of one user; the
# distribution's 128 is soon used up, and then systemd fails in odd places.
_INOTIFY_INSTANCES = 8192


def connect() -> docker.DockerClient:
    """A client of a running engine; raises LabError where none answers."""
    try:
        client = docker.from_env(timeout=600, max_pool_size=64)
        client.ping()
    except (DockerException, OSError) as error:
        raise LabError("no Docker engine answers: run `python -m lab up`, which starts one") from error
    return client


def ensure() -> docker.DockerClient:
    """A client of this machine's engine, which is installed and started where it has to be.

    A `docker` command may be there without an engine, so the engine is asked, not the command.
    """
    try:
        client = connect()
    except LabError:
        _install("docker.io", program="dockerd")
        _start()
        client = connect()
    _raise_inotify_limit()
    return client


def ensure_mmdebstrap() -> None:
    """Install the program that builds a root filesystem from the archive."""
    _install("mmdebstrap", program="mmdebstrap")


def has_all_capabilities() -> bool:
    """Whether this machine may grant CAP_SYS_RESOURCE, without which --privileged fails."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)
    return True


def _install(package: str, *, program: str) -> None:
    if shutil.which(program) is not None:
        return
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise LabError(f"`{program}` is missing: install it (on Debian: apt-get install {package})")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {package}"):
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package],
        ):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            # A broken third-party source makes `update` fail although Debian's own was read.
            if done.returncode != 0 and "install" in command:
                raise LabError(f"`{' '.join(command)}` failed: {_last_line(done.stderr)}")


def _start() -> None:
    if os.geteuid() != 0:
        raise LabError("the Docker engine does not run: start it (as root)")
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
        log = "journalctl -u docker"
    else:
        log_file = cache() / "dockerd.log"
        log = str(log_file)
        with log_file.open("ab") as stream:
            # A session of its own: the engine outlives this program and its terminal.
            subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
    with step("starting the Docker engine"):
        deadline = time.monotonic() + _ENGINE_START_SECONDS
        while time.monotonic() < deadline:
            try:
                connect()
                return
            except LabError:
                time.sleep(0.5)
    raise LabError(f"the Docker engine did not start within {_ENGINE_START_SECONDS:.0f} s: see {log}")


def _raise_inotify_limit() -> None:
    setting = Path("/proc/sys/fs/inotify/max_user_instances")
    try:
        before = int(setting.read_text())
        if before >= _INOTIFY_INSTANCES:
            return
        setting.write_text(str(_INOTIFY_INSTANCES))
    except OSError as error:
        say(f"could not raise fs.inotify.max_user_instances ({error}); nodes may fail to boot")
    else:
        say(f"raised fs.inotify.max_user_instances from {before} to {_INOTIFY_INSTANCES}")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"
