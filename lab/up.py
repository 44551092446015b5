"""`up`: from nothing, or from whatever is there, to a healthy stacked cluster."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import docker

from lab import artifacts, cluster, database, engine, health, images, keys, machines, pristine, state
from lab.errors import LabError
from lab.progress import say, step
from lab.shape import Node, Plan, Shape, free_subnet, plan
from lab.state import Lab

_RESUME_SECONDS = 120.0
_CLUSTER_SECONDS = 180.0


def up(shape: Shape) -> Lab:
    """A healthy lab of this shape: the running one if it is that, else one made anew."""
    client = engine.ensure()
    parts = artifacts.ensure(client)
    made = images.ensure(client, parts)
    lab = _reuse(shape, made)
    if lab is not None:
        return lab

    down(client)
    state.STATE.mkdir(exist_ok=True)
    lab = Lab(
        shape=shape,
        plan=plan(shape, free_subnet(machines.network_subnets(client))),
        images=made,
        kubectl_path=parts.kubernetes / "kubectl",
        etcdctl_path=parts.stacked_etcd / "etcdctl",
        etcdutl_path=parts.stacked_etcd / "etcdutl",
        kubernetes_version=parts.kubernetes_version,
    )
    keys.write(lab.plan)
    machines.create_network(client, lab.plan.subnet)
    with step(f"starting {len(lab.plan.nodes)} machines"):
        machines.parallel(lambda node: make(lab, node), lab.plan.nodes)
        cluster.start_load_balancer(lab)
    cluster.create(lab)
    if shape.database_bytes:
        database.fill(lab, shape.database_bytes)
    with step("waiting until everything is healthy") as current:
        health.wait(lab, _CLUSTER_SECONDS, current=current)
    pristine.keep(lab)
    lab.save()
    return lab


def make(lab: Lab, node: Node, archives: tuple[Path, ...] = ()) -> None:
    """Make one machine, or make it anew, and wait until it can be used."""
    files = {**keys.files(node), **cluster.node_files(node)}
    machines.create(lab.client, node, lab.plan, lab.images, files, archives)
    machines.wait_booted(lab.client, node)


def down(client: docker.DockerClient) -> None:
    """Remove the lab and everything about it but the cache."""
    if state.LAB_FILE.exists() or machines.anything_left(client):
        with step("removing the lab"):
            # The facts go first: nobody must take a half-removed lab for a lab.
            state.LAB_FILE.unlink(missing_ok=True)
            machines.remove_all(client)
    shutil.rmtree(state.STATE, ignore_errors=True)


def _reuse(shape: Shape, made: images.Images) -> Lab | None:
    """The lab that is there, if it is of this shape and made of this; started if it stands still."""
    try:
        lab = Lab.load()
    except LabError:
        return None
    if lab.shape != shape or lab.images != made or not pristine.kept(lab):
        say("there is another lab, or an incomplete one: making it anew")
        return None
    names = [node.container for node in lab.plan.nodes] + [state.LOAD_BALANCER]
    standing = machines.stopped(lab.client, names)
    if standing is None:
        say("machines of the lab are missing: making it anew")
        return None
    since: datetime | None = None
    if standing:
        since = datetime.now(UTC)
        with step(f"starting {len(standing)} stopped machines"):
            machines.parallel(lambda name: lab.client.containers.get(name).start(), standing)
            machines.parallel(lambda node: machines.wait_booted(lab.client, node), lab.plan.nodes)
    try:
        with step("asking whether the lab is healthy") as current:
            health.wait(lab, _RESUME_SECONDS if standing else 5.0, since, current)
    except LabError as error:
        say(f"{error}: making it anew")
        return None
    return lab


def summary(lab: Lab) -> str:
    """What a person needs to use the lab."""
    lines = [f"{node.name:9} {node.ip:14} {node.hostname}" for node in lab.plan.nodes]
    lines.append(f"API servers at {lab.load_balancer}, kubeconfig {_shown(state.KUBECONFIG)}")
    lines.append(f"ssh -i {_shown(keys.SSH_KEY)} {keys.SSH_USER}@{lab.masters[0].ip}")
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return path.relative_to(state.REPOSITORY).as_posix()
