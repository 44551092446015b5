"""The scripts that restart an API server to read its CA file, in a process namespace of their own."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from unstack.scripts import script
from unstack.trust import read_trust


def _alone(command: str) -> subprocess.CompletedProcess[str]:
    """In a process namespace of its own: this host may run a real API server."""
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_api_server_that_was_told_to_end_is_told_from_the_one_that_comes_after_it(tmp_path: Path) -> None:
    program, ca, note = tmp_path / "kube-apiserver", tmp_path / "ca.crt", tmp_path / "run/note"
    program.symlink_to("/bin/sleep")
    ca.write_text("both CAs")
    observe = script("observe-trust", str(note), str(ca), "").get_raw_value()
    restart = script("restart-apiserver", str(note), str(ca), "5", "5").get_raw_value()
    done = _alone(
        f"{program} 30 & sleep 0.2; {observe}; echo; {restart} || exit 1;"
        f" {observe}; echo; {program} 30 & sleep 0.2; {observe}"
    )
    assert done.returncode == 0, done.stderr
    before, ended, after = (
        read_trust([line for line in part.splitlines() if line]) for part in done.stdout.split("\n\n")
    )
    wanted = hashlib.sha256(b"both CAs").hexdigest()
    assert before.processes
    assert not before.has_read(wanted), "nothing is known of it"
    assert not ended.processes
    assert not ended.has_read(wanted)
    assert after.has_read(wanted)
    assert after.noted == (wanted, *before.processes)


def test_an_api_server_that_does_not_end_is_no_restarted_one(tmp_path: Path) -> None:
    program, ca, note = tmp_path / "kube-apiserver", tmp_path / "ca.crt", tmp_path / "run/note"
    program.symlink_to("/bin/sleep")
    ca.write_text("both CAs")
    restart = script("restart-apiserver", str(note), str(ca), "5", "1").get_raw_value()
    # An ignored signal stays ignored in what is started from here.
    done = _alone(f"(trap '' TERM; exec {program} 30) & sleep 0.2; {restart}")
    assert done.returncode == 1
    assert "found kube-apiserver running 1 s after it was told to end" in done.stderr


def test_an_api_server_that_waits_for_watches_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    program, ca = tmp_path / "kube-apiserver", tmp_path / "ca.crt"
    program.symlink_to("/bin/sleep")
    ca.write_text("both CAs")
    restart = script("restart-apiserver", str(tmp_path / "note"), str(ca), "1", "10").get_raw_value()
    done = _alone(f"(trap '' TERM; exec {program} 30) & sleep 0.2; {restart} && wait $!; echo $?")
    assert done.stdout.strip() == "137", done.stderr


def test_nothing_is_restarted_where_no_note_can_be_written(tmp_path: Path) -> None:
    program = tmp_path / "kube-apiserver"
    program.symlink_to("/bin/sleep")
    restart = script(
        "restart-apiserver", str(tmp_path / "note"), str(tmp_path / "none"), "1", "1"
    ).get_raw_value()
    done = _alone(f"{program} 30 & sleep 0.2; {restart} || kill -0 $!")
    assert done.returncode == 0, done.stderr
    assert "can't be written" in done.stderr
    assert not (tmp_path / "note").exists()
