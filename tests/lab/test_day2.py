"""docs/day2.md, followed on a migrated cluster: each command in its order, where it says, and its effect."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from lab import Lab, Node, machines
from lab.cluster import make_machine
from tests.commands import REPOSITORY
from tests.following import Section, Terminal

DAY2 = REPOSITORY / "docs/day2.md"
ELSEWHERE = "/root/elsewhere/"
COMPOSE_FILE = "/etc/etcd/docker-compose.yaml"
HEALTH = "docker exec etcd etcdctl endpoint health --cluster"
STATUS = "docker exec etcd etcdctl endpoint status --cluster -w table"
UP = "cd /etc/etcd && docker compose up -d"
PROMOTE = "docker exec etcd etcdctl member promote ID"
# With a few seconds for each question to the host that is gone.
ELECTION_SECONDS = 60.0
# A member that has started tells its address to the others; where that is dropped, again after 7 s.
PUBLISHED_SECONDS = 30


def _section(lab: Lab, title: str) -> Section:
    programs = (Path(sys.executable).parent, lab.kubectl_path.parent)
    return Section(lab, Terminal(REPOSITORY, *programs, inventory="inventories/lab.py"), DAY2, title)


def _sh(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, command, output)
    return output


def _members(lab: Lab, node: Node) -> dict[str, str]:
    """{name: id as etcdctl writes it}."""
    found = json.loads(_sh(lab, node, "docker exec etcd etcdctl member list -w json"))["members"]
    return {one["name"]: f"{one['ID']:x}" for one in found}


def _leader(lab: Lab, node: Node) -> Node:
    """The leader's host."""
    answer = json.loads(_sh(lab, node, "docker exec etcd etcdctl endpoint status -w json"))
    leader = f"{answer[0]['Status']['leader']:x}"
    return lab.node(next(name for name, id in _members(lab, node).items() if id == leader))


def _serial(lab: Lab, node: Node, path: str) -> str:
    return _sh(lab, node, f"openssl x509 -in {path} -noout -serial")


def _argument(lab: Lab, node: Node, flag: str) -> str:
    arguments = _sh(lab, node, "tr '\\0' '\\n' </proc/$(pgrep -x etcd)/cmdline")
    return next(line for line in arguments.splitlines() if line.startswith(f"--{flag}="))


def _write_and_read(lab: Lab, name: str) -> None:
    lab.kubectl("create", "configmap", name, "--from-literal=written=yes")
    assert lab.kubectl("get", "configmap", name, "-o", "jsonpath={.data.written}") == "yes"
    lab.kubectl("delete", "configmap", name)


def test_status(migrated_lab: Lab) -> None:
    lab, section = migrated_lab, _section(migrated_lab, "Status")
    output = section.type("pyinfra inventories/prod.py tasks/status.py")
    assert "lab: external" in output, output
    output = section.type("pyinfra inventories/prod.py deploy.py")
    assert "Migrated already" in output, output
    table = section.type(STATUS)
    for node in lab.etcd:
        assert f"https://{node.ip}:2379" in table
    section.end()


def test_certificates(migrated_lab: Lab) -> None:
    lab, section, master = migrated_lab, _section(migrated_lab, "Certificates"), migrated_lab.masters[0]
    external = "/etc/kubernetes/pki/etcd-external/client.crt"
    before = _serial(lab, master, external)
    section.type("pyinfra inventories/prod.py tasks/renew.py")
    renewed = _serial(lab, master, external)
    assert renewed != before
    old = "/etc/kubernetes/pki/apiserver-etcd-client.crt"
    left_out = _serial(lab, master, old)
    own = _serial(lab, master, "/etc/kubernetes/pki/apiserver-kubelet-client.crt")
    section.type("kubeadm certs renew all", at=master)
    assert _serial(lab, master, "/etc/kubernetes/pki/apiserver-kubelet-client.crt") != own
    assert (_serial(lab, master, old), _serial(lab, master, external)) == (left_out, renewed)
    output = section.type("kubeadm certs check-expiration", at=master)
    assert "apiserver-kubelet-client" in output
    assert "etcd" not in output, output
    section.end()


def test_backups(migrated_lab: Lab, tmp_path: Path) -> None:
    lab, section, node = migrated_lab, _section(migrated_lab, "Backups"), migrated_lab.etcd[0]
    _sh(lab, node, f"mkdir -p {ELSEWHERE}")
    output = section.type("docker exec etcd etcdctl endpoint health")
    assert "is healthy" in output
    section.type("docker exec etcd etcdctl snapshot save /var/lib/etcd-external/backup.db")
    move = "mv /var/lib/etcd-external/backup.db /somewhere/else/"
    section.type(move, put={"/somewhere/else/": ELSEWHERE})
    _sh(lab, node, "test ! -e /var/lib/etcd-external/backup.db")
    backup, changed = tmp_path / "backup.db", tmp_path / "changed.db"
    machines.fetch(lab.client, node.container, f"{ELSEWHERE}backup.db", backup)
    content = bytearray(backup.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)

    def etcdutl(*words: str) -> tuple[int, str]:
        command = [str(lab.etcdutl_path), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr

    assert etcdutl("snapshot", "status", str(changed))[0] == 0
    status, output = etcdutl("snapshot", "restore", str(changed), "--data-dir", str(tmp_path / "changed"))
    assert status != 0
    assert "sha256" in output, output
    status, output = etcdutl("snapshot", "restore", str(backup), "--data-dir", str(tmp_path / "data"))
    assert status == 0, output
    assert (tmp_path / "data/member/snap/db").is_file()
    section.end()


def test_replacing_a_member_whose_host_is_lost_while_it_leads(migrated_lab: Lab) -> None:
    lab = migrated_lab
    healthy, lost = lab.etcd[:2]
    section = _section(lab, "Replacing a member")
    ids = _members(lab, healthy)
    if (leader := _leader(lab, healthy)) != lost:
        _sh(lab, leader, f"docker exec etcd etcdctl move-leader {ids[lost.name]}")
    assert _leader(lab, healthy) == lost
    machines.remove(lab.client, lost)

    listing = section.type("docker exec etcd etcdctl member list -w table")
    assert ids[lost.name] in listing
    found = section.type(HEALTH, fails=True)
    others = [node for node in lab.etcd if node != lost]
    deadline = time.monotonic() + ELECTION_SECONDS
    while not all(f"https://{node.ip}:2379 is healthy" in found for node in others):
        assert time.monotonic() < deadline, found
        _, found = lab.exec(healthy, HEALTH)
    assert f"https://{lost.ip}:2379 is unhealthy" in found
    section.type("docker exec etcd etcdctl member remove ID", put={"ID": ids[lost.name]})
    assert set(_members(lab, healthy)) == {node.name for node in others}

    make_machine(lab, lost)
    section.type("pyinfra inventories/prod.py tasks/renew.py")
    _sh(lab, lost, "test $(stat -c %a /etc/etcd/pki/server.key) = 600")
    section.type("mkdir -p -m 0700 /etc/etcd /var/lib/etcd-external", at=lost)
    _copy_compose_file(lab, healthy, lost)
    section.type("chmod 0600 /etc/etcd/docker-compose.yaml", at=lost)
    add = "docker exec etcd etcdctl member add etcd-2 --learner --peer-urls=https://192.0.2.22:2380"
    section.type(add, put={"etcd-2": lost.name, "192.0.2.22": lost.ip})
    section.type(UP, at=lost)
    (new,) = set(_members(lab, healthy).values()) - set(ids.values())
    section.type(PROMOTE, repeat=True, put={"ID": new})  # it refuses while the learner lags

    found = section.type(HEALTH, repeat=True)
    deadline = time.monotonic() + PUBLISHED_SECONDS
    while found.count("is healthy") < len(lab.etcd):
        assert time.monotonic() < deadline, found
        _, found = lab.exec(healthy, HEALTH)
    status = "docker exec etcd etcdctl endpoint status --cluster -w fields | grep -w Revision"
    revisions = [int(number) for number in re.findall(r"\d+", section.type(status))]
    assert len(revisions) == len(lab.etcd)
    hashkv = "docker exec etcd etcdctl endpoint hashkv --cluster --rev=REVISION -w json"
    answers = json.loads(section.type(hashkv, put={"REVISION": str(min(revisions))}).splitlines()[-1])
    assert len(answers) == len(lab.etcd)
    assert len({(one["HashKV"]["hash"], one["HashKV"]["compact_revision"]) for one in answers}) == 1
    table = section.type("docker exec etcd etcdctl member list -w table")
    assert all(node.name in table for node in lab.etcd)
    assert "true" not in table  # no learner is left
    output = section.type("pyinfra inventories/prod.py tasks/status.py")
    assert "lab: external" in output
    section.end()
    assert _sh(lab, lost, HEALTH).count("is healthy") == len(lab.etcd)
    _write_and_read(lab, "after-a-member-was-replaced")


def _copy_compose_file(lab: Lab, source: Node, target: Node) -> None:
    """What the reader is told to copy, and to change in the copy."""
    own = ("listen-client-urls", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls")
    lines = []
    for line in _sh(lab, source, f"cat {COMPOSE_FILE}").splitlines():
        if any(f"--{flag}=" in line for flag in own):
            line = line.replace(source.ip, target.ip)
        lines.append(line.replace(f"--name={source.name}", f"--name={target.name}"))
    text = "\n".join(lines) + "\n"
    _sh(lab, target, f"umask 077 && printf %s {shlex.quote(text)} >{COMPOSE_FILE}")


def test_space_and_alarms(migrated_lab: Lab) -> None:
    lab, section = migrated_lab, _section(migrated_lab, "Space and alarms")
    leader = _leader(lab, lab.etcd[0])
    order = [*(node for node in lab.etcd if node != leader), leader]
    section.type(STATUS, at=order[0])
    section.type("docker exec etcd etcdctl defrag", at=order[0])
    section.type(HEALTH, at=order[0], repeat=True)
    for node in order[1:]:
        section.again("docker exec etcd etcdctl defrag", at=node)
        section.again(HEALTH, at=node, repeat=True)
    for node in lab.etcd:
        answer = json.loads(_sh(lab, node, "docker exec etcd etcdctl endpoint status -w json"))
        # What is written meanwhile may need a few pages more.
        assert answer[0]["Status"]["dbSize"] - answer[0]["Status"]["dbSizeInUse"] < 1 << 20, node.name
    assert section.type("docker exec etcd etcdctl alarm list").strip() == ""
    section.type("docker exec etcd etcdctl alarm disarm")
    section.end()
    _write_and_read(lab, "after-defragmentation")


def test_changing_a_setting_of_members_in_use(migrated_lab: Lab) -> None:
    lab = migrated_lab
    section = _section(lab, "Changing settings and upgrading etcd")
    flag = "--quota-backend-bytes="
    (before,) = {_argument(lab, node, "quota-backend-bytes") for node in lab.etcd}
    after = f"{flag}{int(before.removeprefix(flag)) + (1 << 20)}"
    leader = _leader(lab, lab.etcd[0])
    first, second = (node for node in lab.etcd if node != leader)
    section.type(HEALTH, at=first)
    _sh(lab, first, f"sed -i 's/{before}/{after}/' {COMPOSE_FILE}")
    section.type(UP, at=first)
    section.again(HEALTH, at=first, repeat=True)
    _sh(lab, second, f"sed -i 's/{before}/{after}/' {COMPOSE_FILE}")
    section.again(UP, at=second)
    section.again(HEALTH, at=second, repeat=True)
    section.type(
        "docker exec etcd etcdctl move-leader ID", at=leader, put={"ID": _members(lab, first)[first.name]}
    )
    assert _leader(lab, first) == first
    _sh(lab, leader, f"sed -i 's/{before}/{after}/' {COMPOSE_FILE}")
    section.again(UP, at=leader)
    section.again(HEALTH, at=leader, repeat=True)
    section.end()
    assert {_argument(lab, node, "quota-backend-bytes") for node in lab.etcd} == {after}
    _write_and_read(lab, "after-a-setting-was-changed")
