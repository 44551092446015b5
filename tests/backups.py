"""Backups of the external cluster on the lab: taken, restored, and what the cluster holds then."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from lab import Lab, Node
from tests.commands import Outcome, pyinfra

INVENTORY = "inventories/lab.py"
TASK = "tasks/restore_backup.py"
DATA = "/var/lib/etcd-external"
MARK = "/etc/kubernetes/unstack/restoring"
# A restore raises the revisions by so much above the newest that was seen.
MARGIN = 1_000_000_000
SETTLED_SECONDS = 90.0


def on_host(lab: Lab, node: Node, command: str) -> str:
    """Output of a shell command, which must succeed."""
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, command, output)
    return output


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait for what comes by itself, and fail where it does not come in time."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SETTLED_SECONDS:.0f} s in vain until {what}"
        time.sleep(0.5)


def take_backup(lab: Lab, path: Path) -> Path:
    """By etcdctl, as docs/day2.md says, and brought to this machine."""
    node, file = lab.etcd[0], f"{DATA}/backup.db"
    on_host(lab, node, "docker exec etcd etcdctl endpoint health")
    on_host(lab, node, f"docker exec etcd etcdctl snapshot save {file}")
    path.write_bytes(base64.b64decode(on_host(lab, node, f"base64 {file} && rm {file}")))
    return path


def restore(*arguments: str) -> Outcome:
    """Run the task as an operator would who has seen the preview."""
    return pyinfra("-y", *arguments, INVENTORY, TASK)


def backup_option(path: Path) -> tuple[str, str]:
    """What names the backup on pyinfra's command line."""
    return ("--data", f"backup={path}")


def config_maps(lab: Lab) -> dict[str, str]:
    """Name and UID of what these tests have made in the namespace default."""
    listing = json.loads(lab.kubectl("get", "configmaps", "-o", "json"))
    names = {one["metadata"]["name"]: one["metadata"]["uid"] for one in listing["items"]}
    return {name: uid for name, uid in names.items() if name.startswith("restore-")}


def statuses(lab: Lab) -> list[dict[str, int]]:
    """etcdctl's status of every member, its revision beside it."""
    text = on_host(lab, lab.etcd[0], "docker exec etcd etcdctl endpoint status --cluster -w json")
    return [{**one["Status"], "revision": one["Status"]["header"]["revision"]} for one in json.loads(text)]


def hashes(lab: Lab) -> set[tuple[int, int]]:
    """(HashKV, compact revision) of all members at one revision that all have."""
    revision = min(one["revision"] for one in statuses(lab))
    command = f"docker exec etcd etcdctl endpoint hashkv --cluster --rev={revision} -w json"
    answers = [one["HashKV"] for one in json.loads(on_host(lab, lab.etcd[0], command))]
    assert len(answers) == len(lab.etcd)
    return {(one["hash"], one["compact_revision"]) for one in answers}


def marked_masters(lab: Lab) -> list[str]:
    """The masters that say that a restore is under way."""
    return [node.name for node in lab.masters if lab.exec(node, f"test -e {MARK}")[0] == 0]


def made_newer(content: bytes) -> bytes:
    """The same backup, made by etcd 3.6 as far as the file tells: its version changed, its sha256 right."""
    changed, count = re.subn(rb"clusterVersion3\.5\.0", b"clusterVersion3.6.0", content[:-32])
    assert count >= 1
    return changed + hashlib.sha256(changed).digest()
