"""switch-back.sh in a scratch directory: the manifest of the stacked etcd in place, or nothing changed."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from unstack.scripts import script

RUNNING = "kind: Pod\n# external\n"
OLD = "kind: Pod\n# stacked, ä\n"


def _switch_back(tmp_path: Path, made_from: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "manifests/kube-apiserver.yaml").write_text(RUNNING)
    sha256 = hashlib.sha256(made_from.encode()).hexdigest()
    command = script("switch-back", str(tmp_path / "manifests"), str(tmp_path / "kept"), sha256)
    return subprocess.run(
        ["sh", "-c", command.get_raw_value()],
        input=OLD,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_old_manifest_takes_the_place_of_the_one_that_runs_which_is_kept(tmp_path: Path) -> None:
    done = _switch_back(tmp_path, RUNNING)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "manifests/kube-apiserver.yaml").read_text() == OLD
    assert [path.name for path in (tmp_path / "manifests").iterdir()] == ["kube-apiserver.yaml"]
    assert (tmp_path / "kept/external/kube-apiserver.yaml").read_text() == RUNNING


def test_a_manifest_that_was_edited_meanwhile_stays(tmp_path: Path) -> None:
    done = _switch_back(tmp_path, "kind: Pod\n# as it was read\n")
    assert done.returncode == 1
    assert "changed after its successor was made from it" in done.stderr
    assert (tmp_path / "manifests/kube-apiserver.yaml").read_text() == RUNNING
