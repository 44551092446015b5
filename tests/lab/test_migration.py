"""One migration of a cluster with hand-made peculiarities, under writes; then what must hold of it."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from demo.api import tls_context
from demo.objects import listed, missing
from demo.pods import measure
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY, Outcome, pyinfra, state_of
from tests.writing import writing

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
ETCD_FLAGS = ("--etcd-cafile", "--etcd-certfile", "--etcd-keyfile", "--etcd-servers")
# What people add to a master by hand: flags, a volume, an annotation, a comment, quotes.
AUDIT_POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n"
ADDITIONS = {
    "    - --etcd-servers=": """\
    - --audit-log-path=/var/log/audit/audit.log
    - --audit-policy-file=/etc/kubernetes/pki/audit.yaml
    - "--oidc-issuer-url=https://issuer.example"  # the company login
    - --oidc-client-id=kubernetes
""",
    "  annotations:": """\
    example.com/owner: "the platform team"
""",
    "    volumeMounts:": """\
    - mountPath: /var/log/audit
      name: audit
    - mountPath: /srv/extra
      name: extra
""",
    "  volumes:": """\
  - hostPath:
      path: /var/log/audit
    name: audit
  - hostPath:
      path: /srv/extra
    name: extra
""",
}
RUNNING = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep '^kube-apiserver.*{}' || true; done"


@dataclass(frozen=True)
class Migrated:
    """A lab after its migration, and what was seen on the way."""

    lab: Lab
    outcome: Outcome
    old_manifests: Mapping[str, str]
    acknowledged: Mapping[str, str]
    report: Mapping[str, object]
    cutover_started: float


def _read(lab: Lab, node: Node, path: str) -> str:
    status, output = lab.exec(node, ["cat", path])
    assert status == 0, output
    return output


def _await(condition: str, lab: Lab, node: Node, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, output = lab.exec(node, condition)
        if status == 0 and output.strip():
            return output
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s on {node.name}: {condition}")


def _customise(lab: Lab, node: Node) -> None:
    """Edit a master's manifest as people do; it arrives by rename, whole."""
    lines = []
    for line in _read(lab, node, MANIFEST).splitlines(keepends=True):
        lines.append(line)
        lines += [more for start, more in ADDITIONS.items() if line.startswith(start)]
    commands = (
        "mkdir -p /var/log/audit /srv/extra",
        f"printf %s {shlex.quote(AUDIT_POLICY)} > /etc/kubernetes/pki/audit.yaml",
        f"printf %s {shlex.quote(''.join(lines))} > /root/new.yaml",
        f"mv /root/new.yaml {MANIFEST}",
    )
    status, output = lab.exec(node, " && ".join(commands))
    assert status == 0, output


@pytest.fixture(scope="module")
def migrated(fresh_lab: Lab) -> Migrated:
    lab = fresh_lab
    peculiar = lab.masters[2]
    _customise(lab, peculiar)
    _await(RUNNING.format("oidc-issuer-url"), lab, peculiar, 60)
    ready = f"curl -sk https://{peculiar.ip}:6443/readyz | grep -x ok"
    _await(ready, lab, peculiar, 90)
    old_manifests = {node.name: _read(lab, node, MANIFEST) for node in lab.masters}

    with writing(lab, "unstack-test") as writers:
        outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
        assert outcome.status == 0, outcome.text
    runs = sorted((REPOSITORY / ".unstack/lab/runs").iterdir())
    report = json.loads((runs[-1] / "outcome.json").read_text())
    return Migrated(lab, outcome, old_manifests, writers.acknowledged(), report, report["cutover_started"])


def test_no_silence_lasts_longer_than_five_seconds(migrated: Migrated) -> None:
    outcome = migrated.outcome
    # Half a second for a machine that runs the whole cluster beside it.
    assert outcome.longest_silence_seconds < 5.5
    print(f"longest silence of the migration: {outcome.longest_silence_seconds:.2f} s")
    assert not {"\x1b", "\r"} & set(outcome.text)


def test_no_acknowledged_write_is_missing(migrated: Migrated) -> None:
    found = listed(migrated.lab.load_balancer, tls_context(KUBECONFIG))
    assert len(migrated.acknowledged) > 100
    assert missing(migrated.acknowledged, found) == []


def test_every_member_old_and_new_had_one_hash(migrated: Migrated) -> None:
    proof = migrated.report["proof"]
    assert isinstance(proof, dict)
    members = [*proof["old"], *proof["new"]]
    assert len(members) == 6
    assert len({(one["hash"], one["compact_revision"], one["keys"]) for one in members}) == 1
    assert proof["revision"] >= migrated.report["fenced_revision"]


def test_external_cluster_has_the_members_of_the_inventory(migrated: Migrated) -> None:
    node = migrated.lab.etcd[1]
    status, output = migrated.lab.exec(node, "docker exec etcd etcdctl member list -w json")
    assert status == 0, output
    members = {one["name"]: one["peerURLs"] for one in json.loads(output)["members"]}
    # etcd-2's hostname is another one; its member name is the inventory's.
    assert members == {one.name: [f"https://{one.ip}:2380"] for one in migrated.lab.etcd}
    status, output = migrated.lab.exec(node, "docker exec etcd etcdctl endpoint health --cluster")
    assert status == 0, output


def test_manifest_differs_from_the_old_one_in_the_etcd_settings_alone(migrated: Migrated) -> None:
    servers = ",".join(f"https://{one.ip}:2379" for one in migrated.lab.etcd)
    for node in migrated.lab.masters:
        old, new = migrated.old_manifests[node.name].splitlines(), _read(migrated.lab, node, MANIFEST)
        is_etcd = [any(flag in line for flag in ETCD_FLAGS) for line in new.splitlines()]
        rest = [line for line, etcd in zip(new.splitlines(), is_etcd, strict=True) if not etcd]
        assert rest == [line for line in old if not any(flag in line for flag in ETCD_FLAGS)]
        assert is_etcd.count(True) == 4
        command = yaml.safe_load(new)["spec"]["containers"][0]["command"]
        assert f"--etcd-servers={servers}" in command
        # kubelet runs it: the process, not only the file.
        _await(RUNNING.format(f"--etcd-servers={servers}"), migrated.lab, node, 5)
    _await(
        RUNNING.format("--oidc-issuer-url=https://issuer.example"), migrated.lab, migrated.lab.masters[2], 5
    )


def test_all_components_were_started_anew(migrated: Migrated) -> None:
    # Not the age of /proc/<pid>, which is that of the first look into it.
    started = (
        "for p in $(pgrep -x 'kube-apiserver|kube-controller|kube-scheduler'); do "
        "echo $(( $(date +%s) - $(ps -o etimes= -p $p) )); done"
    )
    for node in migrated.lab.masters:
        status, output = migrated.lab.exec(node, started)
        assert status == 0, output
        times = [int(line) for line in output.split()]
        assert len(times) == 3, output
        # Both clocks are read in whole seconds.
        assert min(times) >= int(migrated.cutover_started) - 1


def test_stacked_etcd_is_at_rest_and_its_data_is_kept(migrated: Migrated) -> None:
    for node in migrated.lab.masters:
        status, output = migrated.lab.exec(
            node,
            "! pgrep -x etcd && ! test -e /etc/kubernetes/manifests/etcd.yaml "
            "&& test -f /var/lib/etcd/member/snap/db && ls -A /etc/kubernetes/manifests",
        )
        assert status == 0, output
        assert output.split() == [
            "kube-apiserver.yaml",
            "kube-controller-manager.yaml",
            "kube-scheduler.yaml",
        ]


def test_kubeadm_config_names_the_external_cluster_and_keeps_the_rest(migrated: Migrated) -> None:
    lab = migrated.lab
    text = lab.kubectl("-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "json")
    new = yaml.safe_load(json.loads(text)["data"]["ClusterConfiguration"])
    old = yaml.safe_load(
        _read(lab, lab.masters[0], "/etc/kubernetes/unstack/stacked/ClusterConfiguration.yaml")
    )
    assert set(new["etcd"]) == {"external"}
    assert new["etcd"]["external"]["endpoints"] == [f"https://{one.ip}:2379" for one in lab.etcd]
    assert set(old["etcd"]) == {"local"}
    del new["etcd"], old["etcd"]
    assert new == old


def test_private_keys_are_private_and_the_authority_stays_here(migrated: Migrated) -> None:
    lab = migrated.lab
    places = "/etc/etcd /etc/kubernetes/pki/etcd-external"
    keys = f"find {places} -name '*.key' -exec stat -c '%a %U %n' {{}} + 2>/dev/null; true"
    for node in (*lab.masters, *lab.etcd):
        _, output = lab.exec(node, keys)
        lines = output.split("\n")[:-1]
        assert lines, node.name
        assert all(line.startswith("600 root ") for line in lines), output
        assert "ca.key" not in output
    private = [path for path in (REPOSITORY / ".unstack").rglob("*") if path.suffix == ".key"]
    assert private
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)


def test_pods_come_and_go_on_every_node(migrated: Migrated) -> None:
    for node in migrated.lab.masters:
        times = measure(migrated.lab.load_balancer, tls_context(KUBECONFIG), node.node_name)
        assert times.ready_seconds < 60
        assert times.gone_seconds < 60


def test_leaves_a_report_with_the_outage_and_every_diff(migrated: Migrated) -> None:
    directory = REPOSITORY / ".unstack/lab/reports" / str(migrated.report["run"])
    report = json.loads((directory / "report.json").read_text())
    assert report["ending"]["result"] == "migrated"
    assert len(report["diffs"]) == 4  # three manifests and kubeadm-config
    page = (directory / "report.html").read_text()
    assert all(node.name in page for node in (*migrated.lab.masters, *migrated.lab.etcd))
    assert directory.stat().st_mode & 0o077 == 0


def test_second_deploy_changes_nothing_and_says_why(migrated: Migrated) -> None:
    before = state_of(migrated.lab)
    started = time.monotonic()
    outcome = pyinfra("-y", "--json", "inventories/lab.py", "deploy.py")
    seconds = time.monotonic() - started
    assert outcome.status == 0, outcome.text
    assert "Migrated already" in outcome.text
    results = json.loads(outcome.stdout)["results"]
    assert results["failed_hosts"] == [], results
    assert not re.search(r"\] +Success", outcome.log)  # pyinfra's word for a host that was changed
    plan = json.loads(pyinfra("--dry", "--json", "inventories/lab.py", "deploy.py").stdout)["plan"]
    assert [step["name"] for step in plan if step["hosts_with_change"]] == []
    assert state_of(migrated.lab) == before
    assert seconds < 30


def test_restore_alone_never_touches_live_data(migrated: Migrated) -> None:
    before = state_of(migrated.lab)
    for task in ("pki", "prepare", "fence", "snapshot", "distribute", "restore", "start", "prove", "cutover"):
        outcome = pyinfra("-y", "inventories/lab.py", f"tasks/{task}.py")
        assert outcome.status == 0, outcome.text
    assert state_of(migrated.lab) == before


def test_journal_holds_every_step_and_no_secret(migrated: Migrated) -> None:
    journal = (REPOSITORY / ".unstack/lab/journal.jsonl").read_text()
    run = [json.loads(line) for line in journal.splitlines()]
    stages = [
        line["stage"] for line in run if line["run"] == migrated.report["run"] and line["event"] == "stage"
    ]
    assert stages == [
        "preflight",
        "pki",
        "prepare",
        "fence",
        "snapshot",
        "copy",
        "restore",
        "start",
        "prove",
        "cutover",
        "confirm",
    ]
    for path in Path(REPOSITORY / ".unstack/lab/pki").rglob("*.key"):
        secret = path.read_text().splitlines()[1]
        assert secret not in journal
        assert secret not in migrated.outcome.text
