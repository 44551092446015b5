"""Scripts that run on the hosts, tried on this one where they change nothing or a scratch directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from unstack.observations import parse_report, read_etcd_host, read_master_host
from unstack.scripts import script

SCRIPTS = Path(__file__).parents[2] / "unstack/scripts"


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = script(name, *arguments).get_raw_value()
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


def test_arguments_never_become_shell(tmp_path: Path) -> None:
    evil = f"$(touch {tmp_path}/a)'`touch {tmp_path}/b`\"; touch {tmp_path}/c #"
    done = _run("observe-master", str(tmp_path), evil, evil)
    assert not list(tmp_path.iterdir()), done


def test_reports_manifests_and_a_clock(tmp_path: Path) -> None:
    (tmp_path / "kube-apiserver.yaml").write_text("kind: Pod\n# äöü\n")
    done = _run("observe-master", str(tmp_path), str(tmp_path / "kept"), str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    master = read_master_host(done.stdout.splitlines())
    assert master.live["kube-apiserver"] == "kind: Pod\n# äöü\n"
    assert master.same_filesystem
    assert abs(master.clock_offset_seconds) < 2
    assert master.is_root == (os.getuid() == 0)


def test_tells_foreign_data_from_its_own(tmp_path: Path) -> None:
    for name in ("snapshot-1.db", "restoring-1", "previous-1", "lost+found", "somebody.txt"):
        (tmp_path / name).mkdir()
    done = _run("observe-etcd-host", str(tmp_path), str(tmp_path / "etc"), "image:v1", "etcd", "1")
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
    done = _run("restore", str(tmp_path), "r", "00", "1", "token", "image:v1", "n", "https://n:2380", "n=u")
    assert done.returncode == 1
    assert "sha256 differs" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot-r.db"]


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_posix_shell(path: Path) -> None:
    done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_text().startswith("# shellcheck shell=sh\n")


def test_parses_what_a_report_line_is(tmp_path: Path) -> None:
    done = _run("observe-member-data", str(tmp_path), "no-such-container")
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
    done = _run("set-aside", str(tmp_path), str(tmp_path / "etc"), "no-such-container", "r")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "previous-r",
        "previous-r-again",
        "previous-r-again.json",
    ]


NEW_NOTE = '{"run": "r", "bump": 1}'


def _member_data(directory: Path) -> dict[str, str]:
    """{file: content} of a member's directory."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_text() for path in files}


@pytest.fixture
def restored_beside(tmp_path: Path) -> Path:
    """A member's directory with its own data, and what the run r has restored beside it."""
    for name, content in (("data", "old"), ("restoring-r", "new")):
        (tmp_path / name / "member").mkdir(parents=True)
        (tmp_path / name / "member/db").write_text(content)
    (tmp_path / "restored.json").write_text("old note")
    (tmp_path / "restoring-r.json").write_text(NEW_NOTE)
    return tmp_path


PLACED = {
    "data/member/db": "new",
    "restored.json": NEW_NOTE,
    "previous-r/member/db": "old",
    "previous-r.json": "old note",
}
BESIDE = {
    "data/member/db": "old",
    "restored.json": "old note",
    "restoring-r/member/db": "new",
    "restoring-r.json": NEW_NOTE,
}


def test_restored_data_takes_its_place_and_the_data_of_before_is_kept(restored_beside: Path) -> None:
    done = _run("place-data", str(restored_beside), "r")
    assert done.returncode == 0, done.stderr
    assert _member_data(restored_beside) == PLACED


def test_data_of_before_that_was_put_back_is_as_if_nothing_had_been_restored(restored_beside: Path) -> None:
    for _ in range(2):
        assert _run("place-data", str(restored_beside), "r").returncode == 0
        done = _run("put-back", str(restored_beside), "no-such-container", "r")
        assert done.returncode == 0, done.stderr
        assert _member_data(restored_beside) == BESIDE


def test_a_member_that_had_lost_its_data_is_without_any_again(restored_beside: Path) -> None:
    shutil.rmtree(restored_beside / "data")
    (restored_beside / "restored.json").unlink()
    assert _run("place-data", str(restored_beside), "r").returncode == 0
    assert _member_data(restored_beside) == {"data/member/db": "new", "restored.json": NEW_NOTE}
    done = _run("put-back", str(restored_beside), "no-such-container", "r")
    assert (done.returncode, done.stdout) == (0, ""), done
    assert _member_data(restored_beside) == {"restoring-r/member/db": "new", "restoring-r.json": NEW_NOTE}


def test_nothing_is_put_back_where_nothing_was_placed(restored_beside: Path) -> None:
    done = _run("put-back", str(restored_beside), "no-such-container", "r")
    assert done.returncode == 0, done.stderr
    assert parse_report(done.stdout.splitlines()) == {"data": ("yes",)}
    assert _member_data(restored_beside) == BESIDE


# The renames of place-data, in its order: a kill may come after any of them.
RENAMES = (
    ("data", "previous-r"),
    ("restored.json", "previous-r.json"),
    ("restoring-r.json", "restored.json"),
    ("restoring-r", "data"),
)


@pytest.mark.parametrize("done_before", range(4))
def test_a_change_of_data_that_was_killed_is_completed_or_taken_back(
    restored_beside: Path, done_before: int
) -> None:
    for source, target in RENAMES[:done_before]:
        (restored_beside / source).rename(restored_beside / target)
    back = restored_beside.parent / "back"
    shutil.copytree(restored_beside, back)
    try:
        assert _run("place-data", str(restored_beside), "r").returncode == 0
        assert _member_data(restored_beside) == PLACED
        assert _run("put-back", str(back), "no-such-container", "r").returncode == 0
        assert _member_data(back) == BESIDE
    finally:
        shutil.rmtree(back)


def test_a_mark_is_whole_and_gone_when_the_restore_has_ended(tmp_path: Path) -> None:
    assert _run("mark-restoring", str(tmp_path / "kept"), '{"run": "r"}').returncode == 0
    assert _member_data(tmp_path) == {"kept/restoring": '{"run": "r"}\n'}
    assert _run("end-restoring", str(tmp_path / "kept")).returncode == 0
    assert _member_data(tmp_path) == {}
