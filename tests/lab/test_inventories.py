"""The example inventories, edited as an operator would: nodes from the API, a jump host, a sudo password."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab
from tests.commands import REPOSITORY, pyinfra, with_lab_addresses

KNOWN_HOSTS = REPOSITORY / ".lab/known_hosts"
SSH_KEY = REPOSITORY / ".lab/id_ed25519"


def _edited(lab: Lab, name: str, directory: Path, **words: str) -> Path:
    """The example inventory with the lab's addresses, and other words changed, in a directory."""
    text = with_lab_addresses(lab, (REPOSITORY / "inventories" / name).read_text())
    for old, new in words.items():
        text = text.replace(old, new)
    path = directory / name
    path.write_text(text)
    return path


def _settings() -> list[str]:
    image = json.loads((REPOSITORY / ".lab/lab.json").read_text())["etcd_image"]
    ignored = 'kubeadm_ignored_preflight_errors=["CoreDNSUnsupportedPlugins","CoreDNSMigration"]'
    settings = ("cluster=lab", f"etcd_image={image}", ignored, "pod_probe=False")
    return [word for setting in settings for word in ("--data", setting)]


@pytest.fixture
def saved_nodes(lab: Lab) -> Iterator[Path]:
    """What the inventory's own words have an operator save, where he saves it."""
    path = REPOSITORY / "inventories/nodes.json"
    path.write_text(lab.kubectl("get", "nodes", "-o", "json"))
    yield path
    path.unlink()


def test_masters_come_from_the_nodes_that_kubectl_saved(
    fresh_lab: Lab, saved_nodes: Path, tmp_path: Path
) -> None:
    lab = fresh_lab
    inventory = _edited(lab, "from_nodes.py", tmp_path)
    ssh = ["--user", "ops", "--key", str(SSH_KEY), "--data", f"ssh_known_hosts_file={KNOWN_HOSTS}"]
    outcome = pyinfra("--dry", *_settings(), *ssh, str(inventory), "deploy.py")
    assert outcome.status == 0, outcome.text
    for node in lab.masters:
        assert node.node_name in outcome.text
    saved_nodes.write_text("error: the server could not be reached")
    outcome = pyinfra("--dry", *_settings(), *ssh, str(inventory), "deploy.py")
    assert outcome.status == 1, outcome.text
    assert "found no list of nodes" in outcome.text
    assert "Traceback" not in outcome.text


@pytest.fixture
def careful_user(fresh_lab: Lab) -> tuple[str, str]:
    """A user on every host, and the password for which sudo asks this user each time."""
    user, password = "careful", secrets.token_hex(12)
    for node in (*fresh_lab.masters, *fresh_lab.etcd):
        status, output = fresh_lab.exec(
            node,
            f"useradd --create-home --shell /bin/bash {user} && echo {user}:{password} | chpasswd"
            f" && install -d -o {user} -m 0700 /home/{user}/.ssh"
            f" && install -o {user} -m 0600 /home/ops/.ssh/authorized_keys /home/{user}/.ssh/"
            f" && printf '%s\\n' 'Defaults:{user} timestamp_timeout=0' '{user} ALL=(ALL) ALL'"
            f" >/etc/sudoers.d/{user}"
            f" && chmod 0440 /etc/sudoers.d/{user}",
        )
        assert status == 0, output
    return user, password


def test_migrates_through_a_jump_host_with_a_sudo_that_asks_for_a_password(
    fresh_lab: Lab, careful_user: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab, (user, password) = fresh_lab, careful_user
    jump = lab.masters[0]
    others = " ".join(node.ip for node in (*lab.masters[1:], *lab.etcd))
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host {jump.ip} {others}\n User {user}\n IdentityFile {SSH_KEY}\n"
        f" UserKnownHostsFile {KNOWN_HOSTS}\n"
        f"Host {others}\n ProxyJump {user}@{jump.ip}\n"
    )
    inventory = _edited(lab, "jump_host.py", tmp_path, **{"~/.ssh/config": str(config)})
    monkeypatch.setenv("SUDO_PASSWORD", "not this one")
    outcome = pyinfra("-y", *_settings(), str(inventory), "deploy.py")
    assert outcome.status == 1, outcome.text
    assert f"{jump.name}: found no lock for this run: " in outcome.text
    assert "incorrect password" in outcome.text
    assert "to do: mend what it says: _sudo and _sudo_password" in outcome.text
    assert "Traceback" not in outcome.text

    monkeypatch.setenv("SUDO_PASSWORD", password)
    outcome = pyinfra("-y", *_settings(), str(inventory), "deploy.py")
    assert outcome.status == 0, outcome.text
    assert password not in outcome.text
    run = max((REPOSITORY / ".unstack/lab/reports").iterdir())
    for path in (*run.iterdir(), REPOSITORY / ".unstack/lab/journal.jsonl"):
        assert password not in path.read_text()
    for node in lab.masters[1:]:
        _, logins = lab.exec(node, "journalctl --unit ssh --output cat")
        assert f"Accepted publickey for {user} from {jump.ip}" in logins
        assert f"Accepted publickey for {user} from {jump.ip.rsplit('.', 1)[0]}.1 " not in logins
    servers = ",".join(f"https://{node.ip}:2379" for node in lab.etcd)
    for node in lab.masters:
        _, arguments = lab.exec(node, "tr '\\0' '\\n' </proc/$(pgrep -x kube-apiserver)/cmdline")
        assert f"--etcd-servers={servers}" in arguments.splitlines()
