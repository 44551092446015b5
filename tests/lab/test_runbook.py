"""A newcomer with a fresh clone, the README and the runbook reaches a migration, a rollback and a clean.

Each command is the next one of the document and is typed where it says. What comes of it is read by
kubectl, etcdctl and the machines' own tools.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from tests.commands import REPOSITORY, with_lab_addresses
from tests.documents import INVENTORY
from tests.following import Section, Terminal

pytestmark = pytest.mark.long

DEPLOY = "pyinfra inventories/prod.py deploy.py"
CLEAN = "pyinfra inventories/prod.py tasks/clean.py"
CLEAN_ROLLBACK = "pyinfra inventories/prod.py tasks/clean.py --data clean_rollback=True"
# A week early, as nobody waits a week for a test.
REMOVE = "pyinfra inventories/prod.py tasks/decommission.py --data decommission=remove"
AT_ONCE = "--data decommission_after=0s"
BACKUP = (
    "kubectl -n kube-system exec etcd-master-1 -- etcdctl --cacert=/etc/kubernetes/pki/etcd/ca.crt"
    " --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key"
    " snapshot save /var/lib/etcd/backup.db"
)
KEPT = "/etc/kubernetes/unstack"
SETUP_SECONDS = 600


class Newcomer:
    """Somebody who has the clone, a terminal in it, and the two documents."""

    def __init__(self, lab: Lab, clone: Path) -> None:
        self.lab = lab
        self.clone = clone
        self.terminal = Terminal(clone, lab.kubectl_path.parent)

    def section(self, document: str, title: str) -> Section:
        """A section of a document of the clone."""
        return Section(self.lab, self.terminal, self.clone / document, title)

    def set(self, file: str, old: str, new: str) -> None:
        """Edit a file, as README.md has a reader do."""
        path = self.clone / file
        text = path.read_text()
        assert old in text, (file, old)
        path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def newcomer(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """A clone of what is committed. Its certificates are its own, so the lab is made anew afterwards."""
    command = ["git", "status", "--porcelain"]
    changed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert changed == "", f"a clone has what is committed alone; commit this first:\n{changed}"
    clone = tmp_path_factory.mktemp("newcomer") / "unstack"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], check=True)
    lab.reset()
    yield Newcomer(lab, clone)
    lab.reset()


def _sh(lab: Lab, host: str, command: str) -> str:
    status, output = lab.exec(lab.node(host), command)
    assert status == 0, (host, command, output)
    return output


def _etcd_servers(lab: Lab) -> set[str]:
    """--etcd-servers of the API servers that run, by their processes."""
    command = "tr '\\0' '\\n' </proc/$(pgrep -x kube-apiserver)/cmdline | grep ^--etcd-servers="
    return {_sh(lab, node.name, command).strip().partition("=")[2] for node in lab.masters}


def _stacked() -> set[str]:
    return {"https://127.0.0.1:2379"}


def _external(lab: Lab) -> set[str]:
    return {",".join(f"https://{node.ip}:2379" for node in lab.etcd)}


def _create(lab: Lab, name: str) -> None:
    lab.kubectl("create", "configmap", name, f"--from-literal=written={name}")


def _assert_there(lab: Lab, *names: str) -> None:
    found = lab.kubectl("get", "configmap", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert set(names) <= set(found)


def _assert_members_are(lab: Lab, host: str, etcdctl: str, names: set[str]) -> None:
    members = json.loads(_sh(lab, host, f"{etcdctl} member list -w json"))["members"]
    assert {one["name"] for one in members} == names


def test_a_week_before(newcomer: Newcomer) -> None:
    lab = newcomer.lab
    section = newcomer.section("docs/runbook.md", "A week before")
    refused = section.type(
        "curl -m 5 https://192.0.2.21:2379", fails=True, put={"192.0.2.21": lab.etcd[0].ip}
    )
    assert "curl: (7)" in refused
    section.type("make setup", seconds=SETUP_SECONDS)
    section.type(". .venv/bin/activate")
    _describe_the_lab(newcomer)
    listed = section.type(f"pyinfra --dry {INVENTORY} deploy.py")
    for stage in ("preflight", "pki", "prepare", "fence", "restore", "prove", "cutover", "confirm"):
        assert f"=== {stage} ===" in listed
    preview = section.type(f"pyinfra --dry {INVENTORY} tasks/plan.py")
    assert "Point of no return" in preview
    assert not (newcomer.clone / ".unstack/prod").exists()
    section.type(f"pyinfra {INVENTORY} tasks/preflight.py")
    section.type(f"pyinfra {INVENTORY} tasks/pki.py")
    section.type(f"pyinfra {INVENTORY} tasks/prepare.py")
    rehearsed = section.type(f"pyinfra {INVENTORY} tasks/rehearse.py")
    assert "outage" in rehearsed
    section.end()
    for node in lab.etcd:
        subject = _sh(lab, node.name, "openssl x509 -in /etc/etcd/pki/server.crt -noout -subject")
        assert node.name in subject
        assert _sh(lab, node.name, "docker ps --quiet") == ""
    assert _etcd_servers(lab) == _stacked()


def _describe_the_lab(newcomer: Newcomer) -> None:
    """What README.md's own-cluster steps have a reader write: hosts, how to reach them, settings."""
    lab, inventory = newcomer.lab, newcomer.clone / INVENTORY
    if "192.0.2." not in inventory.read_text():
        return  # described already
    facts = json.loads((REPOSITORY / ".lab/lab.json").read_text())
    inventory.write_text(with_lab_addresses(lab, inventory.read_text()))
    ssh = {
        "ssh_user": facts["ssh_user"],
        "ssh_key": str(REPOSITORY / facts["ssh_key"]),
        "ssh_known_hosts_file": str(REPOSITORY / facts["known_hosts"]),
        "ssh_strict_host_key_checking": "yes",
    }
    newcomer.set(INVENTORY, "})", f", **{ssh!r}}})")
    newcomer.set("group_data/etcd.py", "gcr.io/etcd-development/etcd:v3.5.33", facts["etcd_image"])
    name = "kubeadm_ignored_preflight_errors = "
    newcomer.set(
        "group_data/masters.py", f"{name}[]", f'{name}["CoreDNSUnsupportedPlugins", "CoreDNSMigration"]'
    )


def test_an_hour_before(newcomer: Newcomer) -> None:
    lab, section = newcomer.lab, newcomer.section("docs/runbook.md", "An hour before")
    section.type(f"pyinfra {INVENTORY} tasks/preflight.py")
    assert "prod: stacked" in section.type(f"pyinfra {INVENTORY} tasks/status.py")
    nodes = section.type("kubectl get nodes")
    assert all(node.node_name in nodes for node in lab.masters)
    assert "readyz check passed" in section.type("kubectl get --raw='/readyz?verbose'")
    section.type(BACKUP, put={"etcd-master-1": f"etcd-{lab.masters[0].node_name}"})
    _sh(lab, lab.masters[0].name, "mkdir -p /root/elsewhere && test -s /var/lib/etcd/backup.db")
    move = "mv /var/lib/etcd/backup.db /somewhere/else/"
    section.type(move, put={"/somewhere/else/": "/root/elsewhere/"})
    section.end()
    _create(lab, "before")


def test_the_window_and_what_to_look_at_afterwards(newcomer: Newcomer) -> None:
    lab = newcomer.lab
    section = newcomer.section("docs/runbook.md", "The window")
    output = section.type(DEPLOY)
    section.end()
    report = next(line for line in output.splitlines() if "the report of this run: " in line)
    assert (newcomer.clone / report.split("the report of this run: ")[1].strip()).is_file()
    assert _etcd_servers(lab) == _external(lab)
    _assert_there(lab, "before")
    _create(lab, "between")

    section = newcomer.section("docs/runbook.md", "Afterwards, by hand")
    table = section.type("docker exec etcd etcdctl member list -w table")
    assert [name for name in ("etcd-1", "etcd-2", "etcd-3") if name not in table] == []
    health = section.type("docker exec etcd etcdctl endpoint health --cluster")
    assert health.count("is healthy") == len(lab.etcd)
    assert section.type("docker exec etcd etcdctl endpoint status --cluster -w table").count("true") == 1
    assert section.type("docker exec etcd etcdctl alarm list").strip() == ""
    manifests = "ls /etc/kubernetes/manifests"
    running = "tr '\\0' '\\n' </proc/$(pgrep -x kube-apiserver)/cmdline | grep etcd-"
    first, *others = lab.masters
    listings = [section.type(manifests, at=first), *(section.again(manifests, at=one) for one in others)]
    assert not [text for text in listings if "etcd.yaml" in text]
    flags = [section.type(running, at=first), *(section.again(running, at=one) for one in others)]
    for text in flags:
        assert all(f"https://{node.ip}:2379" in text for node in lab.etcd), text
    assert "readyz check passed" in section.type("kubectl get --raw='/readyz?verbose'")
    assert "NotReady" not in section.type("kubectl get nodes")
    pods = section.type("kubectl -n kube-system get pods")
    assert "kube-apiserver-" in pods
    assert "etcd-" not in pods
    configuration = section.type("kubectl -n kube-system get configmap kubeadm-config -o yaml")
    assert all(f"https://{node.ip}:2379" in configuration for node in lab.etcd)
    section.end()
    for node in lab.masters:
        _sh(lab, node.name, "! pgrep -x etcd")


def test_a_clean_leaves_a_rollback_possible_and_the_rollback_nothing_to_clean(newcomer: Newcomer) -> None:
    lab = newcomer.lab
    clean = newcomer.section("docs/runbook.md", "Clean")
    clean.type(CLEAN)
    for node in lab.masters:
        kept = _sh(lab, node.name, f"ls -A {KEPT} {KEPT}/stacked").split()
        assert {"stacked", "etcd.yaml", "kube-apiserver.yaml", "etcdutl"} <= set(kept)
        assert "fenced" not in kept

    section = newcomer.section("docs/runbook.md", "When to roll back, and until when")
    section.type(f"pyinfra {INVENTORY} tasks/rollback.py")
    assert _etcd_servers(lab) == _stacked()
    _assert_there(lab, "before", "between")
    lab.etcdctl("endpoint", "health")
    for node in lab.etcd:
        assert _sh(lab, node.name, "docker ps --all --quiet") == ""
    section.type(CLEAN_ROLLBACK)
    section.end()
    clean.type(CLEAN_ROLLBACK)  # where nothing is left too
    clean.end()
    for node in lab.masters:
        _sh(lab, node.name, f"! test -e {KEPT} && test -d /var/lib/etcd/member")
        _sh(lab, node.name, "! ls -d /var/lib/etcd/.unstack* 2>/dev/null")
    _create(lab, "after-the-rollback")


def test_what_to_do_if_there_is_nothing_to_mend(newcomer: Newcomer) -> None:
    """The commands of the table, in its order; here each finds a sound cluster."""
    lab, section = newcomer.lab, newcomer.section("docs/runbook.md", "What to do if")
    assert "active (running)" in section.type("systemctl status kubelet")
    assert "kube-apiserver" in section.type("ss -tnp")
    assert "nothing to roll back" in section.type(f"pyinfra {INVENTORY} tasks/rollback.py")
    assert "prod: stacked" in section.type(f"pyinfra {INVENTORY} tasks/status.py")
    section.end()
    assert _etcd_servers(lab) == _stacked()


def test_the_readme_alone_leads_to_a_migrated_cluster(newcomer: Newcomer) -> None:
    """Its own-cluster steps, also after the tests above: then they migrate the cluster once more."""
    lab, section = newcomer.lab, newcomer.section("README.md", "Your own cluster")
    _create(lab, "by-the-readme")
    section.type("make setup", seconds=SETUP_SECONDS)
    section.type(". .venv/bin/activate")
    _describe_the_lab(newcomer)
    section.type(f"pyinfra --dry {INVENTORY} deploy.py")
    section.type(f"pyinfra --dry {INVENTORY} tasks/plan.py")
    section.type(f"pyinfra {INVENTORY} tasks/rehearse.py")
    section.type(DEPLOY)
    assert _etcd_servers(lab) == _external(lab)
    section.type(f"pyinfra {INVENTORY} tasks/preflight.py")
    section.type(CLEAN)
    section.end()
    afterwards = newcomer.section("README.md", "Afterwards")
    assert "prod: external" in afterwards.type(f"pyinfra {INVENTORY} tasks/status.py")
    afterwards.type(f"pyinfra {INVENTORY} tasks/renew.py")
    afterwards.end()
    _assert_members_are(lab, lab.etcd[0].name, "docker exec etcd etcdctl", {node.name for node in lab.etcd})
    for node in lab.etcd:
        _sh(lab, node.name, "docker exec etcd etcdctl endpoint health --cluster")
    _create(lab, "at-the-end")
    _assert_there(lab, "by-the-readme", "at-the-end")


def test_the_last_clean_leaves_only_records_of_a_migration_on_the_masters(newcomer: Newcomer) -> None:
    removed = newcomer.terminal.type(f"{REMOVE} {AT_ONCE}", 300)
    assert removed.status == 0, removed.output
    for node in newcomer.lab.masters:
        _sh(newcomer.lab, node.name, '[ -z "$(ls -A /var/lib/etcd)" ]')
        _sh(newcomer.lab, node.name, "! ls /etc/kubernetes/pki/etcd/server.*")
    done = newcomer.terminal.type(CLEAN_ROLLBACK, 120)
    assert done.status == 0, done.output
    for node in newcomer.lab.masters:
        # Since when the external etcd is in use, and the stacked one gone, stays known.
        assert _sh(newcomer.lab, node.name, f"ls -A {KEPT}").split() == ["confirmed", "decommissioned"]
    assert _etcd_servers(newcomer.lab) == _external(newcomer.lab)
