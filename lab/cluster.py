"""The stacked cluster: kubeadm on every master, the load balancer in front."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import docker
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab import keys, machines
from lab.errors import LabError
from lab.images import STACKED_ETCD_TAG
from lab.paths import RECIPES
from lab.progress import step
from lab.shape import NETWORK, POD_SUBNET, PREFIX, SERVICE_SUBNET, Node
from lab.state import ETCD_PKI, KUBECONFIG, LOAD_BALANCER, Lab

_templates = Environment(
    loader=FileSystemLoader(RECIPES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
)
# kubeadm's checks do not know containers; what they would find is no fault here.
_KUBEADM_OPTIONS = "--ignore-preflight-errors=all"


def make_machine(lab: Lab, node: Node, archives: Sequence[Path] = ()) -> None:
    """Make one machine, or make it anew, and wait until it can be used.

    + archives: tar files unpacked at / before the first process runs
    """
    files = {**keys.files(node), **_node_files(node)}
    machines.create(lab.client, node, lab.plan, lab.images, files, archives, owner=keys.owner())
    machines.wait_booted(lab.client, node)


def start_load_balancer(lab: Lab) -> None:
    """Make the load balancer and start it; an existing one is replaced."""
    client = lab.client
    for container in client.containers.list(all=True, filters={"name": f"^{LOAD_BALANCER}$"}):
        container.remove(force=True, v=True)
    container = client.containers.create(
        lab.images.load_balancer,
        name=LOAD_BALANCER,
        hostname="lb",
        labels={PREFIX: "load-balancer"},
        network=NETWORK,
        networking_config={
            NETWORK: client.api.create_endpoint_config(ipv4_address=lab.plan.load_balancer_ip)
        },
    )
    template = _templates.get_template("load-balancer/haproxy.cfg.j2")
    config = template.render(masters=lab.masters).encode()
    container.put_archive("/", machines.tar({"/etc/haproxy/haproxy.cfg": (config, 0o644)}))
    container.start()


def create(lab: Lab) -> None:
    """Make the cluster: the first master, then the others one by one, then the workers."""
    first, *others = lab.masters
    with step(f"kubeadm init on {first.name}"):
        _init(lab, first)
    _fetch_credentials(lab, first)
    join = _join_command(lab.client, first)
    for node in others:
        with step(f"kubeadm join of {node.name}"):
            key = _certificate_key(lab.client, first)
            options = f"--control-plane --certificate-key {key}"
            options += f" --apiserver-advertise-address {node.ip}"
            _join(lab, node, f"{join} {options}")
    if lab.workers:
        with step(f"kubeadm join of {len(lab.workers)} workers"):
            machines.parallel(lambda node: _join(lab, node, join), lab.workers)
    # A kubelet that could not register its static pods while etcd gained a member tries again only
    # after a minute or more; a new one does it at once.
    machines.parallel(
        lambda node: machines.check(lab.client, node.container, "systemctl restart kubelet"),
        lab.masters,
    )
    # Masters run pods too: a lab needs few machines that way.
    names = [node.node_name for node in lab.masters]
    lab.kubectl("taint", "nodes", *names, "node-role.kubernetes.io/master-")


def _init(lab: Lab, first: Node) -> None:
    config = _templates.get_template("kubernetes-node/kubeadm.yaml.j2").render(
        first=first,
        kubernetes_version=lab.kubernetes_version,
        load_balancer=lab.load_balancer,
        pod_subnet=POD_SUBNET,
        service_subnet=SERVICE_SUBNET,
        etcd_tag=STACKED_ETCD_TAG,
    )
    machines.check(
        lab.client,
        first.container,
        # Without the addons no image is needed that is not here: CoreDNS and kube-proxy.
        f"printf %s {shlex.quote(config)} >/root/kubeadm.yaml && kubeadm init"
        f" --config /root/kubeadm.yaml {_KUBEADM_OPTIONS} --skip-phases=addon --upload-certs",
    )


def _join_command(client: docker.DockerClient, first: Node) -> str:
    output = machines.check(client, first.container, "kubeadm token create --print-join-command 2>/dev/null")
    for line in output.splitlines():
        if line.strip().startswith("kubeadm join"):
            return line.strip()
    raise LabError(f"{first.name}: kubeadm printed no join command")


def _certificate_key(client: docker.DockerClient, first: Node) -> str:
    output = machines.check(
        client,
        first.container,
        "kubeadm init phase upload-certs --upload-certs --config /root/kubeadm.yaml 2>/dev/null",
    )
    return output.strip().splitlines()[-1]


def _join(lab: Lab, node: Node, command: str) -> None:
    machines.check(
        lab.client,
        node.container,
        f"{command} {_KUBEADM_OPTIONS} --cri-socket /var/run/dockershim.sock --node-name {node.node_name}",
    )


def _fetch_credentials(lab: Lab, first: Node) -> None:
    """Copy what this machine needs to look into the cluster: kubeconfig, etcd client pair."""
    wanted = {
        KUBECONFIG: "/etc/kubernetes/admin.conf",
        ETCD_PKI / "ca.crt": "/etc/kubernetes/pki/etcd/ca.crt",
        ETCD_PKI / "client.crt": "/etc/kubernetes/pki/etcd/healthcheck-client.crt",
        ETCD_PKI / "client.key": "/etc/kubernetes/pki/etcd/healthcheck-client.key",
    }
    ETCD_PKI.mkdir(mode=0o700, parents=True, exist_ok=True)
    for target, source in wanted.items():
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
        target.write_text(machines.check(lab.client, first.container, ["cat", source]))


def _node_files(node: Node) -> dict[str, tuple[bytes, int]]:
    """The files (path -> content, mode) that a Kubernetes node has before kubeadm runs."""
    if node.pod_subnet is None:
        return {}
    config = _templates.get_template("kubernetes-node/cni.json.j2").render(node=node)
    return {"/etc/cni/net.d/10-lab.conflist": (config.encode(), 0o644)}
