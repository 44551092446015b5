"""change-members.sh against an etcdctl that answers as etcd 3.5 does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from unstack.scripts import script

UNHEALTHY = "Error: etcdserver: unhealthy cluster"
BEHIND = "Error: etcdserver: can only promote a learner member which is in sync with leader"
DROPPED = "Error: etcdserver: request timed out"
# Answers the n-th call with the n-th line, and afterwards well; each call is noted.
ETCDCTL = """#!/bin/sh
echo "$*" >>{calls}
answer=$(sed -n "$(wc -l <{calls})p" {answers})
[ -z "$answer" ] || {{ echo "$answer" >&2; exit 1; }}
"""
MEMBER = "import time; time.sleep(60)"


def _asked(
    tmp_path: Path, *arguments: str, answers: tuple[str, ...], timeout: int = 5, way: str = "{}"
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script on a host of its own, with a process of etcd's name; and what etcdctl was asked.

    `way`: the shell that starts the script, at {}.
    """
    calls, said, tools = tmp_path / "calls", tmp_path / "answers", tmp_path / "tools"
    tools.mkdir()
    said.write_text("".join(f"{line}\n" for line in answers))
    calls.touch()
    (tools / "etcdctl").write_text(ETCDCTL.format(calls=calls, answers=said))
    (tools / "etcdctl").chmod(0o755)
    (tmp_path / "etcd").symlink_to(sys.executable)
    (tmp_path / "member.py").write_text(MEMBER)
    begun = f"mount --bind {tools} /usr/local/bin; ./etcd member.py --name=node-1 & sleep 0.3;"
    asking = script("change-members", "node-1", str(timeout), *arguments).get_raw_value()
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{begun} {way.format(asking)}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done, [line.partition("member ")[2] for line in calls.read_text().splitlines()]


def test_a_change_is_asked_for_once_where_etcd_agrees(tmp_path: Path) -> None:
    done, calls = _asked(tmp_path, "promote", "1f", answers=())
    assert (done.returncode, done.stderr, calls) == (0, "", ["promote 1f"])


def test_a_change_is_asked_for_again_until_all_have_been_connected_for_long_enough(tmp_path: Path) -> None:
    done, calls = _asked(tmp_path, "promote", "1f", answers=(UNHEALTHY, BEHIND, DROPPED))
    assert done.returncode == 0, done.stderr
    assert calls == ["promote 1f"] * 4


def test_a_change_that_etcd_refuses_for_too_long_is_given_up_with_its_reason(tmp_path: Path) -> None:
    done, calls = _asked(tmp_path, "remove", "1f", answers=(UNHEALTHY,) * 100, timeout=1)
    assert done.returncode == 1
    assert "unhealthy cluster" in done.stderr
    assert "refused for 1 s" in done.stderr
    assert len(calls) > 2


def test_another_refusal_is_told_at_once(tmp_path: Path) -> None:
    answer = "Error: etcdserver: too many learner members in cluster"
    done, calls = _asked(tmp_path, "add", "etcd-1", "--learner", answers=(answer,) * 3)
    assert done.returncode == 1
    assert "too many learner members" in done.stderr
    assert len(calls) == 1


def test_what_an_answer_that_was_lost_has_done_already_is_no_failure(tmp_path: Path) -> None:
    for number, (arguments, answer) in enumerate(
        (
            (("add", "etcd-1", "--learner"), "Error: etcdserver: Peer URLs already exists"),
            (("promote", "1f"), "Error: etcdserver: can only promote a learner member"),
            (("remove", "1f"), "Error: etcdserver: member not found"),
        )
    ):
        place = tmp_path / str(number)
        place.mkdir()
        done, calls = _asked(place, *arguments, answers=(DROPPED, answer, answer))
        assert done.returncode == 0, done.stderr
        assert len(calls) == 2


def test_a_learner_that_is_unknown_is_not_promoted_by_that(tmp_path: Path) -> None:
    done, _ = _asked(tmp_path, "promote", "1f", answers=("Error: etcdserver: member not found",) * 3)
    assert done.returncode == 1
    assert "member not found" in done.stderr


# As sshd, a login shell and sudo above it; the connection ends, and sudo goes on.
CONNECTION = "sh -c 'sh \"$0\"; true' ./sudo & connection=$!; until [ -s calls ]; do sleep 0.1; done; {}"


@pytest.mark.parametrize(("end", "is_given_up"), [("kill $connection", True), ("true", False)])
def test_a_change_is_given_up_once_the_connection_of_the_run_that_asked_is_gone(
    tmp_path: Path, end: str, is_given_up: bool
) -> None:
    asking = script("change-members", "node-1", "3", "add", "etcd-1", "--learner").get_raw_value()
    (tmp_path / "sudo").write_text(f"{asking} 2>said\necho ended >>said\n")
    way = f"{CONNECTION.format(end)}; wc -l <calls >before; sleep 4"
    _, calls = _asked(tmp_path, answers=(UNHEALTHY,) * 200, way=way.replace("{", "{{").replace("}", "}}"))
    said, before = (tmp_path / "said").read_text(), int((tmp_path / "before").read_text())
    assert said.endswith("ended\n")
    assert ("the run which asked is gone" in said) == is_given_up, said
    # The one that is under way is answered.
    assert (len(calls) <= before + 1) == is_given_up
