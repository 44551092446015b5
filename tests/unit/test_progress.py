"""No wait is silent: what pyinfra shows while a step lasts, by a real pyinfra on this host."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import PYINFRA, REPOSITORY
from unstack.progress import Wait, lines
from unstack.scripts import TIMEOUT, TURNS, WAITS, parameters, script

SCRIPTS = {path.stem: path.read_text() for path in (REPOSITORY / "unstack/scripts").glob("*.sh")}
SILENCE = "\nfrom unstack.progress import PROGRESS\nPROGRESS.silence_seconds = 0.2\n"
DEPLOY = """
import time
from pyinfra.api import StringCommand
from pyinfra.operations import server
from unstack.guard import action, step
from unstack.scripts import script

@step
def run(command):
    yield StringCommand(command)

@step
def read():
    time.sleep(0.7)  # as a fact takes
    yield StringCommand("true")

@step
def think():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        pass
    yield StringCommand("true")

@step
def work():
    yield action(lambda: time.sleep(0.7))

@step
def wait(*arguments):
    yield script("start-stacked", *arguments)
"""
Clone = Path


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A deploy repository of its own, whose lines come after 0.2 s of silence."""
    (tmp_path / "config.py").write_text((REPOSITORY / "config.py").read_text() + SILENCE)
    shutil.copytree(REPOSITORY / "unstack", tmp_path / "unstack")
    return tmp_path


def _pyinfra(clone: Clone, deploy: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    (clone / "deploy.py").write_text(DEPLOY + deploy)
    return subprocess.run(
        [str(PYINFRA), *(arguments or ("-y",)), "@local", "deploy.py"],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


def _told(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines that tell of a wait, without their seconds."""
    found = re.findall(r"^ +(@local: .*) \(\d+ s .*\)$", done.stderr.decode(), re.MULTILINE)
    return [str(line) for line in found]


def test_a_step_that_lasts_says_so_again_and_again(clone: Clone) -> None:
    done = _pyinfra(clone, 'run("sleep 0.7", name="Fix it")\nread(name="Read it")\nwork(name="Make it")')
    assert done.returncode == 0, done.stderr
    told = Counter(_told(done))
    assert set(told) == {f'@local: in the step "{name} it"' for name in ("Fix", "Read", "Make")}
    assert min(told.values()) >= 2, told  # every 0.2 s of 0.7 s
    assert not set(done.stderr) & set(b"\x1b\r")


def test_six_seconds_of_silence_are_broken_before_five_have_passed(clone: Clone) -> None:
    (clone / "config.py").write_text((REPOSITORY / "config.py").read_text())
    (clone / "deploy.py").write_text(DEPLOY + 'run("sleep 6.5", name="Fix it")')
    heard = []
    with subprocess.Popen(
        [str(PYINFRA), "-y", "@local", "deploy.py"], cwd=clone, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            heard.append((time.monotonic(), line.strip()))
    times = [moment for moment, _ in heard]
    assert max(after - before for before, after in itertools.pairwise(times)) < 5
    assert [line for _, line in heard if "step" in line] == ['@local: in the step "Fix it" (4 s so far)']


def test_a_script_says_what_it_waits_for_and_its_limit(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "etcd.yaml").write_text("kind: Pod\n")
    done = _pyinfra(clone, f'wait("{tmp_path}", "{tmp_path}", "no-such-member", "2", name="Start it")')
    assert done.returncode == 1
    line = rb"@local: waiting for the stacked etcd to be healthy \(\d s of at most 2 s\)\n"
    assert len(re.findall(line, done.stderr)) > 2, done.stderr
    assert b"found no healthy stacked etcd 2 s after" in done.stderr


def test_a_plan_is_not_told_as_if_it_ran(clone: Clone) -> None:
    done = _pyinfra(clone, 'read(name="Fence it")', "--dry")
    assert done.returncode == 0, done.stderr
    assert set(_told(done)) == {'@local: planning the step "Fence it"'}


def test_a_plan_that_keeps_the_control_node_busy_is_told(clone: Clone) -> None:
    done = _pyinfra(clone, "".join(f'think(name="{step}")\n' for step in "abcd"), "--dry")
    assert done.returncode == 0, done.stderr
    assert {f'@local: planning the step "{step}"' for step in "bcd"} <= set(_told(done))


def test_json_stays_json(clone: Clone) -> None:
    done = _pyinfra(clone, 'run("sleep 0.7", name="Fix it")', "-y", "--json")
    assert json.loads(done.stdout)["results"]["totals"]["success"] == 1
    assert _told(done)


def test_nothing_is_told_of_a_command_that_has_ended_or_failed(clone: Clone) -> None:
    done = _pyinfra(
        clone,
        'run("sleep 0.7; false", name="Fail", _ignore_errors=True)\n'
        'server.shell("sleep 0.7", name="No step of ours")',
    )
    assert done.returncode == 0, done.stderr
    assert set(_told(done)) == {'@local: in the step "Fail"'}
    assert b"waiting" not in done.stderr.partition(b"No step of ours")[2]


def test_no_command_and_no_argument_is_told(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "etcd.yaml").write_text("kind: Pod\n")
    done = _pyinfra(
        clone,
        'run("sleep 0.7; : S3CRET", name="Fix it")\n'
        f'wait("{tmp_path}", "{tmp_path}", "S3CRET", "1", name="Start it", _ignore_errors=True)',
    )
    assert len(set(_told(done))) == 2
    assert b"S3CRET" not in done.stderr + done.stdout


def test_a_reader_that_goes_away_ends_no_step(clone: Clone) -> None:
    deploy = 'run("sleep 0.7; touch first", name="One")\nrun("sleep 0.7; touch second", name="Two")'
    (clone / "deploy.py").write_text(DEPLOY + deploy)
    with subprocess.Popen(
        [str(PYINFRA), "-y", "@local", "deploy.py"],
        cwd=clone,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while b"in the step" not in process.stderr.readline():
            assert process.poll() is None
        process.stdout.close()
        process.stderr.close()
        process.wait(60)
    assert (clone / "first").exists()
    assert (clone / "second").exists()


@contextmanager
def _silent_server(seconds: float) -> Iterator[int]:
    """The port of something that takes connections, says nothing and hangs up after a while."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0]:
                time.sleep(seconds)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_connecting_is_told_until_it_has_failed(clone: Clone) -> None:
    (clone / "deploy.py").write_text(DEPLOY + 'server.shell("sleep 0.7", name="No step of ours")')
    with _silent_server(1.5) as port:
        (clone / "hosts.py").write_text(
            f'all_of_them = ["@local", ("mute", {{"ssh_hostname": "127.0.0.1", "ssh_port": {port}}})]'
        )
        done = subprocess.run(
            [str(PYINFRA), "-y", "hosts.py", "deploy.py"],
            cwd=clone,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert len(re.findall(r"mute: waiting for its connection \(\d s so far\)", done.stderr)) >= 3, done.stderr
    assert "waiting" not in done.stderr.partition("Preparing operation files")[2]


def _on_a_terminal(clone: Clone, **environment: str) -> bytes:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(PYINFRA), "-y", "@local", "deploy.py"],
        cwd=clone,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYINFRA_PROGRESS": "off", **environment},
    ):
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:
            pass  # Linux ends a terminal that nobody writes to any more so.
    os.close(ours)
    return text


def test_no_color_is_respected_on_a_terminal(clone: Clone) -> None:
    deploy = 'run("sleep 0.7", name="Fix it")\nrun("false", name="Fail")'
    (clone / "deploy.py").write_text(DEPLOY + deploy)
    coloured = _on_a_terminal(clone, NO_COLOR="")
    plain = _on_a_terminal(clone, NO_COLOR="1")
    assert b"\x1b[" in coloured
    assert b"\x1b" not in plain
    assert b'in the step "Fix it"' in plain


def test_hosts_that_wait_for_one_thing_share_a_line_and_the_innermost_lasting_wait_counts() -> None:
    waits = [
        Wait("b", "step", None, 1.0),
        Wait("a", "step", None, 0.0),
        Wait("c", "step", None, 0.0),
        Wait("c", "ready", 60.0, 5.0),
        Wait("c", "question", None, 9.9),
    ]
    assert list(lines(waits, 10.0, 2.0)) == ["a, b: step (10 s so far)", "c: ready (5 s of at most 60 s)"]


def test_every_script_with_a_limit_says_what_it_waits_for() -> None:
    assert {name for name in SCRIPTS if TIMEOUT in parameters(name)} == set(WAITS)
    for name in WAITS:
        arguments = ["7" if one == TIMEOUT else "x" for one in parameters(name)]
        assert script(name, *arguments).limit_seconds == 7 * TURNS.get(name, 1)


def test_every_script_that_sleeps_has_a_limit() -> None:
    sleeping = {name for name, text in SCRIPTS.items() if re.search(r"^\s*sleep ", text, re.MULTILINE)}
    assert sleeping
    assert sleeping <= set(WAITS)


def test_an_engine_that_hangs_ends_with_words(tmp_path: Path) -> None:
    engine = tmp_path / "docker"
    engine.write_text("#!/bin/sh\nexec sleep 30\n")
    engine.chmod(0o755)
    # One second in the place of 120.
    command = script("stop-member", "etcd").get_raw_value().replace("timeout -k 5 120", "timeout -k 5 1")
    done = subprocess.run(
        ["sh", "-c", command],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "no answer of docker within 120 s" in done.stderr
    assert "found a member that docker can't stop" in done.stderr
