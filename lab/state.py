"""The facts of the running lab, written to `.lab/lab.json` and read back by whoever uses it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import docker

from lab import engine, keys, machines
from lab.errors import LabError
from lab.images import Images
from lab.paths import REPOSITORY, STATE
from lab.shape import API_PORT, PREFIX, Node, Plan, Shape

LAB_FILE = STATE / "lab.json"
KUBECONFIG = STATE / "kubeconfig"
ETCD_PKI = STATE / "etcd-pki"
PRISTINE = STATE / "pristine"
LOAD_BALANCER = f"{PREFIX}-lb"


@dataclass(frozen=True)
class Lab:
    """A lab that `up` has made: its machines, its files, and the means to look into them."""

    shape: Shape
    plan: Plan
    images: Images
    kubectl_path: Path
    etcdctl_path: Path
    etcdutl_path: Path
    kubernetes_version: str

    @classmethod
    def load(cls) -> Lab:
        """The lab described by `.lab/lab.json`; raises LabError where there is none."""
        try:
            facts: dict[str, Any] = json.loads(LAB_FILE.read_text())
        except FileNotFoundError as error:
            raise LabError("there is no lab: run `python -m lab up`") from error
        try:
            return cls._parse(facts)
        except (KeyError, TypeError, ValueError) as error:
            raise LabError(f"{LAB_FILE.name} is of another version: run `python -m lab up`") from error

    @classmethod
    def _parse(cls, facts: dict[str, Any]) -> Lab:
        def nodes(role: str) -> tuple[Node, ...]:
            return tuple(Node(**fields) for fields in facts[role])

        images: dict[str, Any] = {
            name: Path(value) if name.endswith("_archives") else value
            for name, value in facts["images"].items()
        }
        return cls(
            shape=Shape(**facts["shape"]),
            plan=Plan(
                subnet=facts["subnet"],
                load_balancer_ip=facts["load_balancer"].split(":")[0],
                masters=nodes("masters"),
                workers=nodes("workers"),
                etcd=nodes("etcd"),
            ),
            images=Images(**images),
            kubectl_path=Path(facts["kubectl"]),
            etcdctl_path=Path(facts["etcdctl"]),
            etcdutl_path=Path(facts["etcdutl"]),
            kubernetes_version=facts["kubernetes_version"],
        )

    def save(self) -> None:
        """Write `.lab/lab.json`; paths below the repository are written relative to it."""
        facts = {
            "masters": [asdict(node) for node in self.plan.masters],
            "workers": [asdict(node) for node in self.plan.workers],
            "etcd": [asdict(node) for node in self.plan.etcd],
            "load_balancer": self.plan.load_balancer,
            "load_balancer_container": LOAD_BALANCER,
            "kubeconfig": _relative(KUBECONFIG),
            "ssh_user": keys.SSH_USER,
            "ssh_key": _relative(keys.SSH_KEY),
            "known_hosts": _relative(keys.KNOWN_HOSTS),
            "etcd_pki": _relative(ETCD_PKI),
            "etcd_image": self.images.etcd_image,
            "old_etcd_image": self.images.old_etcd_image,
            "kubernetes_version": self.kubernetes_version,
            "kubectl": str(self.kubectl_path),
            "etcdctl": str(self.etcdctl_path),
            "etcdutl": str(self.etcdutl_path),
            "subnet": self.plan.subnet,
            "shape": asdict(self.shape),
            "images": {name: str(value) for name, value in asdict(self.images).items()},
        }
        temporary = LAB_FILE.with_suffix(".new")
        temporary.write_text(json.dumps(facts, indent=2) + "\n")
        temporary.rename(LAB_FILE)

    @cached_property
    def client(self) -> docker.DockerClient:
        """A client of this machine's engine."""
        return engine.connect()

    @property
    def masters(self) -> tuple[Node, ...]:
        """The control plane, `master-1` first."""
        return self.plan.masters

    @property
    def workers(self) -> tuple[Node, ...]:
        """Kubernetes nodes without a control plane."""
        return self.plan.workers

    @property
    def etcd(self) -> tuple[Node, ...]:
        """The hosts for the external etcd cluster."""
        return self.plan.etcd

    @property
    def api_servers(self) -> dict[str, str]:
        """{master: address and port of its API server}."""
        return {node.name: f"{node.ip}:{API_PORT}" for node in self.masters}

    @property
    def load_balancer(self) -> str:
        """Address and port in front of the API servers."""
        return self.plan.load_balancer

    def node(self, name: str) -> Node:
        """The machine of this name; raises LabError where there is none."""
        for node in self.plan.nodes:
            if node.name == name:
                return node
        raise LabError(f"no machine is called {name}")

    def exec(self, node: Node, command: Sequence[str] | str) -> tuple[int, str]:
        """Exit code and output of a command run as root in a machine, not through SSH.

        A list is run as it is, text by a shell.
        """
        return machines.execute(self.client, node.container, command)

    def stop(self, node: Node) -> None:
        """Shut the machine down, as its power button would."""
        self.client.containers.get(node.container).stop(timeout=30)

    def kill(self, node: Node) -> None:
        """Cut the machine's power: no process in it can react."""
        self.client.containers.get(node.container).kill()

    def start(self, node: Node) -> None:
        """Switch the machine on and wait until sshd and Docker run in it."""
        self.client.containers.get(node.container).start()
        machines.wait_booted(self.client, node)

    def reset(self) -> None:
        """Make the lab what it was right after `up`; see `lab.reset`."""
        from lab.reset import reset  # it needs this module

        reset(self)

    def kubectl(self, *arguments: str, timeout_seconds: float = 60) -> str:
        """Output of kubectl, run on this machine through the load balancer; raises LabError."""
        command = [str(self.kubectl_path), f"--kubeconfig={KUBECONFIG}", *arguments]
        return run(command, timeout_seconds)

    def etcdctl(self, *arguments: str, timeout_seconds: float = 60) -> str:
        """Output of etcdctl 3.5.1, run on this machine against the stacked cluster."""
        endpoints = ",".join(f"https://{node.ip}:2379" for node in self.masters)
        command = [
            str(self.etcdctl_path),
            f"--endpoints={endpoints}",
            f"--cacert={ETCD_PKI / 'ca.crt'}",
            f"--cert={ETCD_PKI / 'client.crt'}",
            f"--key={ETCD_PKI / 'client.key'}",
            *arguments,
        ]
        return run(command, timeout_seconds)


def run(command: Sequence[str], timeout_seconds: float, text: str | None = None) -> str:
    """Standard output of a program of this machine; raises LabError if it fails or hangs."""
    shown = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_seconds,
            env={**os.environ, "ETCDCTL_API": "3"},
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{shown} did not answer within {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LabError(f"{shown} failed: {lines[-1] if lines else 'no output'}")
    return done.stdout


def _relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()
