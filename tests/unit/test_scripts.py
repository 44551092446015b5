"""Scripts that run on the hosts, tried on this one where they change nothing or a scratch directory."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.scripts import run_here
from unstack.observations import parse_report, read_etcd_host, read_files, read_master_host
from unstack.scripts import script

SCRIPTS = Path(__file__).parents[2] / "unstack/scripts"


def test_arguments_never_become_shell(tmp_path: Path) -> None:
    evil = f"$(touch {tmp_path}/a)'`touch {tmp_path}/b`\"; touch {tmp_path}/c #"
    done = run_here("observe-master", str(tmp_path), evil, evil)
    assert not list(tmp_path.iterdir()), done


def test_reports_manifests_and_a_clock(tmp_path: Path) -> None:
    (tmp_path / "kube-apiserver.yaml").write_text("kind: Pod\n# äöü\n")
    done = run_here("observe-master", str(tmp_path), str(tmp_path / "kept"), str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    master = read_master_host(done.stdout.splitlines())
    assert master.live["kube-apiserver"] == "kind: Pod\n# äöü\n"
    assert master.same_filesystem
    assert abs(master.clock_offset_seconds) < 2
    assert master.is_root == (os.getuid() == 0)


def test_tells_foreign_data_from_its_own(tmp_path: Path) -> None:
    for name in ("snapshot-1.db", "restoring-1", "previous-1", "lost+found", "somebody.txt"):
        (tmp_path / name).mkdir()
    done = run_here("observe-etcd-host", str(tmp_path), str(tmp_path / "etc"), "image:v1", "etcd", "1")
    assert done.returncode == 0, done.stderr
    host = read_etcd_host(done.stdout.splitlines())
    assert [Path(path).name for path in host.foreign] == ["somebody.txt"]
    assert not host.has_data


def _fence_alone(background: str, manifests: Path, kept: Path) -> subprocess.CompletedProcess[str]:
    """The fence in a process namespace of its own: this host may run a real control plane."""
    fence = script("fence", str(manifests), str(kept), "1").get_raw_value()
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{background} {fence}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_fence_holds_only_when_the_processes_are_gone(tmp_path: Path) -> None:
    manifests, kept = tmp_path / "manifests", tmp_path / "kept"
    manifests.mkdir()
    (manifests / "kube-scheduler.yaml").write_text("kind: Pod\n")
    program = tmp_path / "kube-scheduler"
    program.symlink_to("/bin/sleep")
    done = _fence_alone(f"{program} 30 &", manifests, kept)
    assert done.returncode == 1
    assert "still running, 1 s after" in done.stderr
    done = _fence_alone("", manifests, kept)
    assert done.returncode == 0, done.stderr
    assert (kept / "fenced/kube-scheduler.yaml").read_text() == "kind: Pod\n"
    assert (kept / "fenced").stat().st_mode & 0o077 == 0


def test_a_changed_snapshot_is_not_restored(tmp_path: Path) -> None:
    (tmp_path / "snapshot-r.db").write_bytes(b"changed")
    done = run_here(
        "restore", str(tmp_path), "r", "00", "1", "token", "image:v1", "n", "https://n:2380", "n=u"
    )
    assert done.returncode == 1
    assert "sha256 differs" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot-r.db"]


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_posix_shell(path: Path) -> None:
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("# shellcheck shell=sh\n")


def test_parses_what_a_report_line_is(tmp_path: Path) -> None:
    done = run_here("observe-member-data", str(tmp_path), "no-such-container")
    assert parse_report(done.stdout.splitlines()) == {"container": ("",)}


def test_a_name_cut_by_the_kernel_is_told_apart_by_the_command_line(tmp_path: Path) -> None:
    """Calico's kube-controllers runs on masters too, and no fence takes it away."""
    manifests, kept = tmp_path / "manifests", tmp_path / "kept"
    manifests.mkdir()
    program = tmp_path / "kube-controllers"
    program.symlink_to("/bin/sleep")
    assert _fence_alone(f"{program} 30 &", manifests, kept).returncode == 0


def test_a_manifest_that_can_not_be_copied_whole_replaces_nothing(tmp_path: Path) -> None:
    """On a full disk: the old manifest stays where it is, and none is put in place."""
    manifests, kept = tmp_path / "manifests", tmp_path / "kept"
    for directory in (manifests, kept / "fenced", kept / "prepared"):
        directory.mkdir(parents=True)
    (kept / "fenced/kube-apiserver.yaml").write_text("old\n" * 2000)
    (kept / "prepared/kube-apiserver.yaml").write_text("new\n" * 2000)
    sha256 = hashlib.sha256((kept / "fenced/kube-apiserver.yaml").read_bytes()).hexdigest()
    # No file may grow beyond one block: as on a disk that is full.
    cutover = script("cutover", str(manifests), str(kept), "fenced", sha256).get_raw_value()
    limited = f"ulimit -f 1; trap '' XFSZ; {cutover}"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    assert "found that" in done.stderr
    assert list(manifests.iterdir()) == []
    assert (kept / "fenced/kube-apiserver.yaml").read_text() == "old\n" * 2000
    assert not (kept / "stacked/kube-apiserver.yaml").exists()


def test_data_is_set_aside_beside_what_the_same_run_has_set_aside_before(tmp_path: Path) -> None:
    for name in ("data", "previous-r"):
        (tmp_path / name / "member").mkdir(parents=True)
    (tmp_path / "restored.json").write_text("{}")
    done = run_here("set-aside", str(tmp_path), str(tmp_path / "etc"), "no-such-container", "r")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "previous-r",
        "previous-r-again",
        "previous-r-again.json",
    ]


def test_names_files_with_their_sums_and_nothing_below(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("text\n")
    (tmp_path / "large.db").write_bytes(b"\0" * (2**20 + 1))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "deeper").write_text("")
    done = run_here("observe-files", str(tmp_path / "a file"), str(tmp_path), str(tmp_path / "absent"))
    assert done.returncode == 0, done.stderr
    found = read_files(done.stdout.splitlines())
    assert found.text == "text\n"
    assert found.sums == {
        str(tmp_path / "a file"): hashlib.sha256(b"text\n").hexdigest(),
        str(tmp_path / "large.db"): "large",
    }
    assert read_files(run_here("observe-files", "", str(tmp_path / "absent")).stdout.splitlines()).sums == {}


def _keep(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kind: Pod\n")


def test_clean_leaves_no_empty_directory_of_a_fence(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    _keep(kept, "stacked/etcd.yaml", "prepared/kube-apiserver.yaml", "rolled-back-r/etcd.yaml")
    (kept / "fenced").mkdir()
    arguments = (str(kept), str(tmp_path / "state"), str(tmp_path / "data"))
    done = run_here("clean-master", *arguments, "rest")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in kept.iterdir()] == ["stacked"]
    for _ in range(2):  # also where nothing is left to be removed
        done = run_here("clean-master", *arguments, "all")
        assert done.returncode == 0, done.stderr
        assert not kept.exists()


def test_clean_removes_nothing_that_is_fenced(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    _keep(kept, "fenced/kube-apiserver.yaml")
    done = run_here("clean-master", str(kept), str(tmp_path / "state"), str(tmp_path / "data"), "all")
    assert done.returncode == 0, done.stderr
    assert (kept / "fenced/kube-apiserver.yaml").read_text() == "kind: Pod\n"
