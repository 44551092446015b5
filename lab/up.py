"""`up`: from nothing, or from whatever is there, to a healthy stacked cluster."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

import docker

from lab import (
    artifacts,
    cluster,
    database,
    engine,
    health,
    images,
    keys,
    machines,
    pristine,
    state,
)
from lab.errors import LabError
from lab.paths import REPOSITORY, STATE, exclusive
from lab.progress import say, step
from lab.reset import renew
from lab.shape import Shape, free_subnet, plan
from lab.state import Lab

_GLANCE_SECONDS = 5.0
_RESUME_SECONDS = 120.0
_CLUSTER_SECONDS = 180.0


def up(shape: Shape) -> Lab:
    """A healthy lab of this shape: the running one if it is that, else one made anew."""
    with exclusive():
        return _up(shape)


def down(client: docker.DockerClient) -> None:
    """Remove the lab and everything about it but the cache."""
    with exclusive():
        _down(client)


def _up(shape: Shape) -> Lab:
    client = engine.ensure()
    parts = artifacts.ensure(client)
    made = images.ensure(client, parts)
    lab = _reuse(shape, made)
    if lab is not None:
        return lab

    _down(client)
    STATE.mkdir(exist_ok=True)
    subnet = machines.own_subnet(client) or free_subnet(machines.network_subnets(client))
    lab = Lab(
        shape=shape,
        plan=plan(shape, subnet),
        images=made,
        kubectl_path=parts.kubernetes / "kubectl",
        etcdctl_path=parts.stacked_etcd / "etcdctl",
        etcdutl_path=parts.stacked_etcd / "etcdutl",
        kubernetes_version=parts.kubernetes_version,
    )
    keys.write(lab.plan)
    machines.create_network(client, lab.plan.subnet)
    with step(f"starting {len(lab.plan.nodes)} machines"):
        machines.parallel(lambda node: cluster.make_machine(lab, node), lab.plan.nodes)
        cluster.start_load_balancer(lab)
    cluster.create(lab)
    if shape.database_bytes:
        database.fill(lab, shape.database_bytes)
    with step("waiting until everything is healthy") as current:
        health.wait(lab, _CLUSTER_SECONDS, current=current)
    pristine.keep(lab)
    lab.save()
    return lab


def _down(client: docker.DockerClient) -> None:
    if state.LAB_FILE.exists() or machines.anything_left(client):
        with step("removing the lab"):
            # The facts go first: nobody must take a half-removed lab for a lab.
            state.LAB_FILE.unlink(missing_ok=True)
            machines.remove_all(client)
    shutil.rmtree(STATE, ignore_errors=True)


def _reuse(shape: Shape, made: images.Images) -> Lab | None:
    """The lab that is there, healthy, if it is of this shape and made of this; else None."""
    try:
        lab = Lab.load()
    except LabError:
        return None
    if lab.shape != shape or lab.images != made or not pristine.kept(lab):
        say("there is a lab of another shape or recipe: making it anew")
        return None
    names = [node.container for node in lab.plan.nodes] + [state.LOAD_BALANCER]
    standing = machines.stopped(lab.client, names)
    try:
        if standing is None:
            raise LabError("machines are missing")
        if not all(machines.owner(lab.client, node) == keys.owner() for node in lab.plan.nodes):
            raise LabError("these machines were made from another checkout")
        if standing:
            _start(lab, standing)
        else:
            with step("asking whether the lab is healthy") as current:
                health.wait(lab, _GLANCE_SECONDS, current=current)
    except LabError as error:
        say(f"{error}: resetting the lab")
        try:
            renew(lab)
        except LabError as failure:
            say(f"{failure}: making the lab anew")
            return None
    return lab


def _start(lab: Lab, standing: list[str]) -> None:
    """Start what stands still, as after a restart of this machine or of its engine."""
    since = datetime.now(timezone.utc)
    with step(f"starting {len(standing)} stopped machines"):
        machines.parallel(lambda name: lab.client.containers.get(name).start(), standing)
        machines.parallel(lambda node: machines.wait_booted(lab.client, node), lab.plan.nodes)
    # If all of them stood still, what the API server still says of before must not count.
    everything = len(standing) > len(lab.plan.nodes)
    with step("waiting until everything is healthy") as current:
        health.wait(lab, _RESUME_SECONDS, since if everything else None, current)


def summary(lab: Lab) -> str:
    """What a person needs to use the lab."""
    lines = [f"{node.name:9} {node.ip:14} {node.hostname}" for node in lab.plan.nodes]
    lines.append(f"API servers at {lab.load_balancer}, kubeconfig {_shown(state.KUBECONFIG)}")
    lines.append(f"ssh -i {_shown(keys.SSH_KEY)} {keys.SSH_USER}@{lab.masters[0].ip}")
    return "\n".join(lines)


def _shown(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()
