"""A newcomer with a fresh clone, the README and the runbook: each command, where it says, in its order."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab import Lab
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY
from tests.documents import blocks

RUNBOOK = REPOSITORY / "docs/runbook.md"


@pytest.fixture(scope="module")
def clone(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone with the edits that the README asks for: hosts, how to reach them, the image."""
    directory = tmp_path_factory.mktemp("newcomer") / "unstack"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(directory)], check=True)
    facts = json.loads((REPOSITORY / ".lab/lab.json").read_text())
    ssh = {
        "ssh_user": facts["ssh_user"],
        "ssh_key": str(REPOSITORY / facts["ssh_key"]),
        "ssh_known_hosts_file": str(REPOSITORY / facts["known_hosts"]),
    }
    inventory = directory / "inventories/prod.py"
    text = inventory.read_text()
    for start, nodes in (("192.0.2.1", fresh_lab.masters), ("192.0.2.2", fresh_lab.etcd)):
        for number, node in enumerate(nodes, 1):
            text = text.replace(f"{start}{number}", node.ip)
    inventory.write_text(text.replace("})", f", **{ssh!r}}})"))
    masters = directory / "group_data/masters.py"
    ignored = 'kubeadm_ignored_preflight_errors = ["CoreDNSUnsupportedPlugins", "CoreDNSMigration"]'
    masters.write_text(masters.read_text().replace("kubeadm_ignored_preflight_errors = []", ignored))
    settings = directory / "group_data/etcd.py"
    lines = settings.read_text().splitlines()
    lines = [
        f'etcd_image = "{facts["etcd_image"]}"' if line.startswith("etcd_image") else line for line in lines
    ]
    settings.write_text("\n".join(lines) + "\n")
    return directory


def _typed(lab: Lab, clone: Path, commands: list[str]) -> str:
    """What the control node's shell prints; "y" answers whoever asks. Fails where a command does."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(KUBECONFIG),
        "PATH": f"{lab.kubectl_path.parent}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("VIRTUAL_ENV", None)
    # A shell for each block, as the runbook's reader has one for all of them.
    activate = "" if commands[0] == "make setup" else ". .venv/bin/activate\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", activate + "\n".join(commands)],
        cwd=clone,
        env=environment,
        input="y\n" * len(commands),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def _etcd_servers(lab: Lab) -> set[str]:
    found = set()
    for node in lab.masters:
        _, arguments = lab.exec(node, "tr '\\0' '\\n' </proc/$(pgrep -x kube-apiserver)/cmdline")
        found |= {line for line in arguments.splitlines() if line.startswith("--etcd-servers=")}
    return found


def test_every_command_of_the_runbook_does_what_it_says(fresh_lab: Lab, clone: Path) -> None:
    lab = fresh_lab
    external = {"--etcd-servers=" + ",".join(f"https://{node.ip}:2379" for node in lab.etcd)}
    stacked = {"--etcd-servers=https://127.0.0.1:2379"}
    seen = []
    for introduction, commands in blocks(RUNBOOK.read_text()):
        nodes = (
            lab.etcd[:1]
            if "On an etcd host" in introduction
            else lab.masters
            if "On every master" in introduction
            else ()
        )
        if not nodes:
            printed = _typed(lab, clone, commands)
            assert "Traceback" not in printed, printed
        for node in nodes:
            for command in commands:
                status, output = lab.exec(node, command)
                assert status == 0, f"{node.name}: {command}: {output}"
        for command in commands:
            seen.append(command)
            if command == "pyinfra inventories/prod.py deploy.py":
                assert _etcd_servers(lab) == external
            elif command.endswith("tasks/prepare.py") or command.endswith("tasks/rollback.py"):
                assert _etcd_servers(lab) == stacked
    assert any("deploy.py" in command for command in seen)
    assert seen[-1] == "pyinfra inventories/prod.py tasks/clean.py --data clean_rollback=True"
    for node in lab.masters:
        assert lab.exec(node, "ls -A /etc/kubernetes/unstack 2>/dev/null")[1] == ""
