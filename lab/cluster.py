"""The stacked cluster: kubeadm on every master, the load balancer in front."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab import keys, machines, shape
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
_CRI_SOCKET = "/var/run/dockershim.sock"
_CONFIG = "/root/kubeadm.yaml"
_CONFIG_NOW = "/root/kubeadm-now.yaml"


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
            _join_as_master(lab, node, join, _certificate_key(lab.client, first, _CONFIG))
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


@contextmanager
def spare_master(lab: Lab) -> Iterator[Node]:
    """A machine that could become one more master; removed afterwards, and with it its image store."""
    node = shape.spare_master(lab.plan)
    try:
        make_machine(lab, node)
        yield node
    finally:
        machines.remove(lab.client, node)
        machines.remove_image_store(lab.client, node)


def join_master(lab: Lab, node: Node) -> None:
    """Join a machine as one more master, by what kubeadm-config says now.

    The first master has to be told it again: `kubeadm init phase upload-certs` reads no ConfigMap, and
    the files that it gives to a new master depend on where etcd is.
    """
    first = lab.masters[0]
    field = "jsonpath={.data.ClusterConfiguration}"
    configuration = lab.kubectl("-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", field)
    version = next(line for line in configuration.splitlines() if line.startswith("apiVersion: "))
    init = f"{version}\nkind: InitConfiguration\nnodeRegistration:\n  criSocket: {_CRI_SOCKET}\n---\n"
    machines.check(
        lab.client,
        first.container,
        f"umask 077 && printf %s {shlex.quote(init + configuration)} >{_CONFIG_NOW}",
    )
    join = _join_command(lab.client, first)
    _join_as_master(lab, node, join, _certificate_key(lab.client, first, _CONFIG_NOW))


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
        f"printf %s {shlex.quote(config)} >{_CONFIG} && kubeadm init"
        f" --config {_CONFIG} {_KUBEADM_OPTIONS} --skip-phases=addon --upload-certs",
    )


def _join_command(client: docker.DockerClient, first: Node) -> str:
    output = machines.check(client, first.container, "kubeadm token create --print-join-command 2>/dev/null")
    for line in output.splitlines():
        if line.strip().startswith("kubeadm join"):
            return line.strip()
    raise LabError(f"{first.name}: kubeadm printed no join command")


def _certificate_key(client: docker.DockerClient, first: Node, config: str) -> str:
    output = machines.check(
        client,
        first.container,
        f"kubeadm init phase upload-certs --upload-certs --config {config} 2>/dev/null",
    )
    return output.strip().splitlines()[-1]


def _join_as_master(lab: Lab, node: Node, join: str, certificate_key: str) -> None:
    options = f"--control-plane --certificate-key {certificate_key}"
    _join(lab, node, f"{join} {options} --apiserver-advertise-address {node.ip}")


def _join(lab: Lab, node: Node, command: str) -> None:
    machines.check(
        lab.client,
        node.container,
        f"{command} {_KUBEADM_OPTIONS} --cri-socket {_CRI_SOCKET} --node-name {node.node_name}",
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
