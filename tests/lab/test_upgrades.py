"""What kubeadm does with a migrated cluster: it plans, upgrades, joins and resets, on the external etcd."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Mapping
from typing import Any

import yaml

from lab import Lab, Node
from lab.cluster import join_master, spare_master
from tests.commands import REPOSITORY, pyinfra, state_of

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
RUNNING = "tr '\\0' '\\n' < /proc/$(pgrep -x kube-apiserver)/cmdline"
IGNORED = "--ignore-preflight-errors=CoreDNSUnsupportedPlugins,CoreDNSMigration"
# Whatever kubeadm could leave behind: its own places, kubelet's, and temporary ones.
EVERYTHING = (
    "find /etc /tmp /root /var/lib/kubelet/config.yaml /var/lib/unstack -type f -exec sha256sum {} + | sort"
)


def _sh(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, command, output)
    return output


def _etcd_settings(arguments: list[str]) -> dict[str, object]:
    """kube-apiserver's four etcd flags; the servers as a set."""
    flags = dict(one.split("=", 1) for one in arguments if one.startswith("--etcd-") and "=" in one)
    return {**flags, "--etcd-servers": set(flags.get("--etcd-servers", "").split(","))}


def _expected(lab: Lab) -> dict[str, object]:
    directory = "/etc/kubernetes/pki/etcd-external"
    return {
        "--etcd-cafile": f"{directory}/ca.crt",
        "--etcd-certfile": f"{directory}/client.crt",
        "--etcd-keyfile": f"{directory}/client.key",
        "--etcd-servers": {f"https://{one.ip}:2379" for one in lab.etcd},
    }


def _kubeadm_config(lab: Lab) -> Mapping[str, Any]:
    text = lab.kubectl("-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "json")
    found: Mapping[str, Any] = yaml.safe_load(json.loads(text)["data"]["ClusterConfiguration"])
    return found


def _put_kubeadm_config(lab: Lab, configuration: Mapping[str, Any]) -> None:
    patch = json.dumps({"data": {"ClusterConfiguration": yaml.safe_dump(configuration)}})
    lab.kubectl("-n", "kube-system", "patch", "configmap", "kubeadm-config", "--patch", patch)


def _init_configuration(node: Node) -> str:
    return (
        "apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n"
        f"localAPIEndpoint: {{advertiseAddress: {node.ip}}}\n"
        "nodeRegistration: {criSocket: /var/run/dockershim.sock}\n---\n"
    )


def test_upgrade_plan_works_and_knows_the_external_etcd(migrated_lab: Lab) -> None:
    lab, master = migrated_lab, migrated_lab.masters[1]
    _sh(lab, master, "! test -e /etc/kubernetes/manifests/etcd.yaml")
    # A version that does not exist: only where there is something to upgrade are there tables.
    newer = lab.kubernetes_version + "9"
    output = _sh(lab, master, f"kubeadm upgrade plan {newer} --print-config {IGNORED} 2>/dev/null")
    used, plan = output.split("Configuration used:\n")[1].split("[upgrade] Fetching available versions")
    assert yaml.safe_load(textwrap.dedent(used.expandtabs()))["etcd"] == {
        "external": {
            "caFile": "/etc/kubernetes/pki/etcd-external/ca.crt",
            "certFile": "/etc/kubernetes/pki/etcd-external/client.crt",
            "endpoints": [f"https://{node.ip}:2379" for node in lab.etcd],
            "keyFile": "/etc/kubernetes/pki/etcd-external/client.key",
        }
    }
    components = [line.split()[0].lower() for line in plan.splitlines() if line.strip()]
    assert "kube-apiserver" in components
    assert "etcd" not in components  # a stacked one would be upgraded with the rest


def test_upgrade_plan_fails_as_long_as_kubeadm_config_names_the_stacked_etcd(migrated_lab: Lab) -> None:
    """What the merge is for; and the plan above can fail."""
    lab, master = migrated_lab, migrated_lab.masters[0]
    kept = _sh(lab, master, "cat /etc/kubernetes/unstack/stacked/ClusterConfiguration.yaml")
    _sh(lab, master, f"cat > /root/unmerged.yaml <<'END'\n{_init_configuration(master)}{kept}\nEND")
    command = f"kubeadm upgrade plan {lab.kubernetes_version} {IGNORED} --config /root/unmerged.yaml"
    status, output = lab.exec(master, f"timeout 60 {command} 2>&1")
    _sh(lab, master, "rm /root/unmerged.yaml")
    assert status != 0, output
    # It may also look for the stacked members until it is stopped.
    assert status == 124 or any("etcd" in line for line in output.splitlines()[-2:]), output


def test_kubeadm_makes_the_manifests_that_were_written(migrated_lab: Lab) -> None:
    lab = migrated_lab
    configuration = yaml.safe_dump(dict(_kubeadm_config(lab)))
    for node in lab.masters:
        before = _sh(lab, node, EVERYTHING)
        made = _sh(
            lab,
            node,
            "mkdir /run/x && cd /run/x && cat > c.yaml <<'END'\n"
            f"{_init_configuration(node)}{configuration}\nEND\n"
            "kubeadm init phase control-plane apiserver --rootfs /run/x --config /c.yaml >/dev/null 2>&1"
            f" && cat /run/x{MANIFEST} && cd / && rm -r /run/x",
        )
        command = yaml.safe_load(made)["spec"]["containers"][0]["command"]
        live = yaml.safe_load(_sh(lab, node, f"cat {MANIFEST}"))["spec"]["containers"][0]["command"]
        assert _etcd_settings(command) == _etcd_settings(live) == _expected(lab)
        assert _sh(lab, node, EVERYTHING) == before


def test_confirm_lets_kubeadm_prove_it_and_changes_nothing(migrated_lab: Lab) -> None:
    lab = migrated_lab
    before = [_sh(lab, node, EVERYTHING) for node in lab.masters]
    state = state_of(lab)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/confirm.py")
    assert outcome.status == 0, outcome.text
    servers = ", ".join(f"https://{one.ip}:2379" for one in lab.etcd)
    plan = f"kubeadm upgrade plan {lab.kubernetes_version} works with the external etcd {servers}"
    assert outcome.text.count(plan) == 1, outcome.text
    made = f"kubeadm {lab.kubernetes_version} makes a kube-apiserver manifest with the same etcd settings"
    for node in lab.masters:
        assert f"{node.name}: {made}" in outcome.text
    # kubeadm's own check is a job, which goes away with its pod.
    job = ("pod", "--selector=job-name=upgrade-health-check", "--namespace=kube-system", "-o", "name")
    deadline = time.monotonic() + 30
    while lab.kubectl("get", *job):
        assert time.monotonic() < deadline
        time.sleep(1)
    assert [_sh(lab, node, EVERYTHING) for node in lab.masters] == before
    assert state_of(lab) == state
    reports = sorted((REPOSITORY / ".unstack/lab/reports").iterdir())
    assert plan in (reports[-1] / "report.json").read_text()


def test_confirm_names_each_host_whose_next_upgrade_would_move_its_etcd(migrated_lab: Lab) -> None:
    """An argument in kubeadm-config that kubeadm gives the API server instead of its own."""
    lab, hidden = migrated_lab, migrated_lab.masters[1]
    old = dict(_kubeadm_config(lab))
    api_server = old.get("apiServer", {})
    arguments = {**api_server.get("extraArgs", {}), "etcd-servers": "https://127.0.0.1:2379"}
    _put_kubeadm_config(lab, {**old, "apiServer": {**api_server, "extraArgs": arguments}})
    _sh(lab, hidden, "mv /usr/bin/kubeadm /root/")
    try:
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/confirm.py")
    finally:
        _sh(lab, hidden, "mv /root/kubeadm /usr/bin/")
        _put_kubeadm_config(lab, old)
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    servers = ",".join(f"https://{one.ip}:2379" for one in lab.etcd)
    for node in (lab.masters[0], lab.masters[2]):
        (line,) = [text for text in outcome.log.splitlines() if f"{node.name}: found" in text]
        assert "that kubeadm's next upgrade would start the API server with" in line
        assert f"--etcd-servers=https://127.0.0.1:2379; expected {servers}, as the live" in line
        assert "; to do: correct" in line
    assert f"{hidden.name}: no kubeadm on this host" in outcome.text
    assert "The control plane works on the external etcd." in outcome.text


def _external_data(lab: Lab, revision: int) -> dict[str, str]:
    """Every key and value that a member has at a revision, as a checksum, and the files that hold them.

    Not HashKV: it changes with a compaction, which may come in between.
    """
    contents = f"docker exec etcd etcdctl get '' --prefix --rev={revision} | sha256sum"
    files = "stat -c '%i %a %n' /var/lib/etcd-external/data/member/snap/db /var/lib/etcd-external/*"
    container = "docker inspect --format '{{.Id}} {{.State.StartedAt}}' etcd"
    return {node.name: _sh(lab, node, f"{contents}; {files}; {container}") for node in lab.etcd}


def _revision(lab: Lab) -> int:
    answer = json.loads(_sh(lab, lab.etcd[0], "docker exec etcd etcdctl endpoint status -w json"))
    return int(answer[0]["Status"]["header"]["revision"])


def _await(condition: str, lab: Lab, node: Node, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while lab.exec(node, condition)[0] != 0:
        assert time.monotonic() < deadline, f"not within {seconds} s on {node.name}: {condition}"
        time.sleep(1)


def test_a_fourth_master_joins_on_the_external_etcd_and_its_reset_leaves_that_alone(
    migrated_lab: Lab,
) -> None:
    lab = migrated_lab
    with spare_master(lab) as node:
        join_master(lab, node)
        _await(f"{RUNNING} && curl -sk https://{node.ip}:6443/readyz | grep -x ok", lab, node, 120)
        assert _etcd_settings(_sh(lab, node, RUNNING).splitlines()) == _expected(lab)
        assert _sh(lab, node, "ls -A /etc/kubernetes/manifests").split() == [
            "kube-apiserver.yaml",
            "kube-controller-manager.yaml",
            "kube-scheduler.yaml",
        ]
        _sh(lab, node, "! pgrep -x etcd && ! test -e /var/lib/etcd/member")
        members = json.loads(_sh(lab, lab.etcd[0], "docker exec etcd etcdctl member list -w json"))["members"]
        assert {one["name"] for one in members} == {one.name for one in lab.etcd}
        # Written through the new master alone, read through the others.
        own = ["--server", f"https://{node.ip}:6443"]
        lab.kubectl(*own, "create", "configmap", "by-the-fourth", "--from-literal=written=yes")
        assert lab.kubectl("get", "configmap", "by-the-fourth", "-o", "jsonpath={.data.written}") == "yes"
        lab.kubectl(
            "wait", "--for=condition=Ready", f"node/{node.node_name}", "--timeout=90s", timeout_seconds=100
        )

        revision = _revision(lab)
        before = _external_data(lab, revision)
        output = _sh(lab, node, "kubeadm reset --force --cri-socket /var/run/dockershim.sock 2>&1")
        assert "external etcd" in output, output
        lab.kubectl("delete", "node", node.node_name)
        assert _external_data(lab, revision) == before
        assert len({text.split()[0] for text in before.values()}) == 1
        _sh(lab, node, "! pgrep -x kube-apiserver && ! test -e /etc/kubernetes/manifests/kube-apiserver.yaml")
    assert lab.kubectl("get", "configmap", "by-the-fourth", "-o", "jsonpath={.data.written}") == "yes"
    for one in lab.etcd:
        _sh(lab, one, "docker exec etcd etcdctl endpoint health --cluster")
    names = lab.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert sorted(names) == sorted(one.node_name for one in lab.masters)


def test_upgrade_apply_keeps_the_external_etcd(migrated_lab: Lab) -> None:
    lab, master = migrated_lab, migrated_lab.masters[0]
    old = _kubeadm_config(lab)
    command = f"kubeadm upgrade apply {lab.kubernetes_version} --force --ignore-preflight-errors=all 2>&1"
    output = _sh(lab, master, command)
    assert "SUCCESS! Your cluster was upgraded" in output, output
    # kubeadm has written kubeadm-config anew from what it had read.
    assert _kubeadm_config(lab)["etcd"] == old["etcd"]
    live = yaml.safe_load(_sh(lab, master, f"cat {MANIFEST}"))["spec"]["containers"][0]["command"]
    assert _etcd_settings(live) == _expected(lab)
    _await(f"{RUNNING} && curl -sk https://{master.ip}:6443/readyz | grep -x ok", lab, master, 120)
    assert _etcd_settings(_sh(lab, master, RUNNING).splitlines()) == _expected(lab)
    _sh(lab, master, "! test -e /etc/kubernetes/manifests/etcd.yaml && ! pgrep -x etcd")
    # It has brought its addons, whose images the lab does not have.
    lab.kubectl(
        "-n", "kube-system", "delete", "deployment/coredns", "daemonset/kube-proxy", "--ignore-not-found"
    )
    outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
    assert outcome.status == 0, outcome.text
    assert "Migrated already" in outcome.text
