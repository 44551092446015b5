"""Each example inventory loads in a clone that has no lab, with the settings of group_data/."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import PYINFRA, REPOSITORY


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What pyinfra reads of this repository, without what a lab leaves in it."""
    shutil.copy(REPOSITORY / "config.py", tmp_path)
    for name in ("inventories", "group_data", "unstack"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return tmp_path


def _inventory(clone: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PYINFRA), f"inventories/{name}.py", "debug-inventory"],
        cwd=clone,
        env={"PATH": "/usr/bin:/bin", "HOME": str(clone), "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("name", "environment"), [("prod", {}), ("jump_host", {"SUDO_PASSWORD": "x"})])
def test_loads_with_every_setting(clone: Path, name: str, environment: dict[str, str]) -> None:
    done = _inventory(clone, name, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("192.0.2.11", "192.0.2.23", "gcr.io/etcd-development/etcd", "fence_timeout_seconds"):
        assert word in done.stdout + done.stderr


def test_reads_the_masters_from_saved_nodes(clone: Path) -> None:
    done = _inventory(clone, "from_nodes")
    assert done.returncode == 1
    assert "there is no inventories/nodes.json: kubectl get nodes" in done.stderr
    assert "Traceback" not in done.stderr
    node = {
        "kind": "Node",
        "metadata": {"name": "cp-a", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.99"}]},
    }
    (clone / "inventories/nodes.json").write_text(json.dumps({"kind": "List", "items": [node]}))
    done = _inventory(clone, "from_nodes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "192.0.2.99" in done.stdout + done.stderr


def test_the_labs_inventory_says_that_there_is_no_lab(clone: Path) -> None:
    done = _inventory(clone, "lab")
    assert done.returncode == 1
    assert "there is no lab; run `make lab` first" in done.stderr
    assert "Traceback" not in done.stderr
