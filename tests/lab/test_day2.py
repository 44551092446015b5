"""docs/day2.md, followed on a migrated cluster: each of its commands, in its order, where it says."""

from __future__ import annotations

import json
import re

from lab import Lab, Node
from tests.commands import REPOSITORY, pyinfra
from tests.documents import blocks

DAY2 = REPOSITORY / "docs/day2.md"
ELSEWHERE = "/root/backups"


def _sh(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, f"{node.name}: {command}: {output}"
    return output


def _members(lab: Lab) -> dict[str, str]:
    """{name: id in etcdctl's own notation} of all members that are no learners."""
    table = _sh(lab, lab.etcd[0], "docker exec etcd etcdctl member list")
    rows = [re.split(r",\s*", line) for line in table.splitlines()]
    return {name: id for id, _, name, _, _, is_learner in rows if is_learner == "false"}


def _hashes(lab: Lab) -> set[int]:
    answers = json.loads(
        _sh(lab, lab.etcd[0], "docker exec etcd etcdctl endpoint hashkv --cluster -w json --rev 0")
    )
    return {answer["HashKV"]["hash"] for answer in answers}


def _lose(lab: Lab, node: Node) -> None:
    """The host burns down, and a new one has its name and address."""
    _sh(lab, node, "docker rm --force etcd && rm -r /etc/etcd /var/lib/etcd-external")


def _copy_compose_file(lab: Lab, source: Node, target: Node) -> None:
    """What the reader is told to copy and to change in the copy."""
    text = _sh(lab, source, "cat /etc/etcd/docker-compose.yaml")
    lines = []
    for line in text.splitlines():
        if re.search(r"--(listen-client|advertise-client|listen-peer|initial-advertise-peer)-url", line):
            line = line.replace(source.ip, target.ip)
        lines.append(line.replace(f"--name={source.name}", f"--name={target.name}"))
    encoded = "\n".join(lines).replace("'", "'\\''")
    _sh(lab, target, f"umask 077 && printf '%s\\n' '{encoded}' >/etc/etcd/docker-compose.yaml")


def test_every_command_of_day_2_does_what_it_says(migrated_lab: Lab) -> None:
    lab = migrated_lab
    healthy, lost = lab.etcd[:2]
    _sh(lab, healthy, f"mkdir -p {ELSEWHERE}")
    seen = []
    for introduction, commands in blocks(DAY2.read_text()):
        for command in commands:
            seen.append(command)
            if command.startswith("pyinfra "):
                words = command.replace("inventories/prod.py", "inventories/lab.py").split()[1:]
                outcome = pyinfra("-y", *words)
                assert outcome.status == 0, outcome.text
                continue
            if "member remove" in command:
                gone = _members(lab)[lost.name]
                _lose(lab, lost)
                command = command.replace("ID", gone)
            elif "member promote" in command:
                listed = _sh(lab, healthy, "docker exec etcd etcdctl member list")
                (learner,) = [line.split(",")[0] for line in listed.splitlines() if line.endswith("true")]
                command = command.replace("ID", learner)
            command = command.replace("192.0.2.22", lost.ip).replace("/somewhere/else", ELSEWHERE)
            on_new = (
                "new host" in introduction or "umask" in command or command.startswith(("mkdir", "chmod"))
            )
            if command.startswith("chmod"):
                _copy_compose_file(lab, healthy, lost)
            _sh(lab, lost if on_new else healthy, command)
    assert any("member promote" in command for command in seen)
    assert set(_members(lab)) == {node.name for node in lab.etcd}
    assert len(_hashes(lab)) == 1
    status = _sh(
        lab,
        healthy,
        f"docker run --rm --volume {ELSEWHERE}:/b $(docker inspect -f '{{{{.Image}}}}' etcd)"
        " etcdutl snapshot status /b/backup.db -w json",
    )
    assert json.loads(status)["totalKey"] > 0
    outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
    assert outcome.status == 0, outcome.text
    assert "Migrated already" in outcome.text
