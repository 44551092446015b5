"""The lead moves between two words to every API server's host; scripts of this host stand in for theirs."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent.os
import gevent.subprocess
import pytest
from paramiko import SSHException
from pyinfra.api.exceptions import OperationError

from unstack import lead

HOLDER = (
    "echo 'ready x'; read -r _ || exit 0; echo held $0 >>$LOG; echo 'held x';"
    " read -r _; echo going $0 >>$LOG; echo 'going x'"
)
MOVER = "echo 'ready x'; read -r _ || exit 0; echo move >>$LOG; echo 'moved x'"
MASTERS = ("master-1", "master-2")


class Channel:
    """What lead.py uses of an SSH channel, on a process of this host."""

    def __init__(self, command: str, name: str, log: Path) -> None:
        self._process = gevent.subprocess.Popen(
            ["sh", "-c", command, name],
            env={"LOG": str(log), "PATH": "/usr/bin:/bin"},
            stdin=gevent.subprocess.PIPE,
            stdout=gevent.subprocess.PIPE,
            stderr=gevent.subprocess.PIPE,
        )

    def sendall(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def recv(self, size: int) -> bytes:
        return bytes(gevent.os.nb_read(self._process.stdout.fileno(), size))

    def recv_stderr(self, _: int) -> bytes:
        return bytes(self._process.stderr.read())

    def close(self) -> None:
        self._process.stdin.close()


class Stage:
    """Two masters and a leader, with what each one's process does; what was done and noted."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.noted: list[tuple[str, int]] = []
        self.commands: dict[str, Any] = {"etcd-1": MOVER, **dict.fromkeys(MASTERS, HOLDER)}

    def open(self, host: Any, _: str) -> Channel:
        if isinstance(error := self.commands[host.name], Exception):
            raise error
        return Channel(self.commands[host.name], host.name, self._log)

    def record(self, event: str, *, api_servers: int, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.noted.append((event, api_servers))

    def move(self) -> None:
        run: Any = SimpleNamespace(journal=self)
        lead.move_lead(run, "etcd-1", "etcd-1", 0xABC)

    @property
    def done(self) -> list[str]:
        gevent.sleep(0.1)
        return self._log.read_text().splitlines()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    log = tmp_path / "log"
    log.write_text("")
    stage = Stage(log)
    hosts = {name: SimpleNamespace(name=name) for name in stage.commands}
    monkeypatch.setattr(lead, "open_channel", stage.open)
    monkeypatch.setattr(lead, "masters", lambda: [hosts[name] for name in MASTERS])
    monkeypatch.setattr(lead, "on_each", lambda some, work: {one.name: work(one) for one in some})
    monkeypatch.setattr(lead, "inventory", SimpleNamespace(get_host=hosts.__getitem__))
    monkeypatch.setattr(lead, "READY_SECONDS", 0.5)
    return stage


def test_every_api_server_stands_still_before_the_lead_moves_and_goes_on_afterwards(stage: Stage) -> None:
    stage.move()
    done = stage.done
    assert set(done[:2]) == {"held master-1", "held master-2"}
    assert done[2] == "move"
    assert set(done[3:]) == {"going master-1", "going master-2"}
    assert stage.noted == [("held", 2)]


def test_a_lead_that_does_not_move_is_told_and_the_api_servers_go_on(stage: Stage) -> None:
    stage.commands["etcd-1"] = "echo 'ready x'; read -r _; echo 'found a lead that stays' >&2; exit 1"
    with pytest.raises(OperationError) as refused:
        stage.move()
    assert str(refused.value) == "etcd-1: found a lead that stays"
    assert set(stage.done) == {f"{word} {host}" for word in ("held", "going") for host in MASTERS}


def test_a_leader_that_gets_not_ready_holds_nobody(stage: Stage) -> None:
    stage.commands["etcd-1"] = "echo 'found no running etcd' >&2; exit 1"
    with pytest.raises(OperationError) as refused:
        stage.move()
    assert str(refused.value) == "etcd-1: found no running etcd"
    assert stage.done == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            SSHException("Channel closed."),
            "found no answer; expected one; to do: look at its power and network",
        ),
        (
            OperationError("etcd-1: found no SSH connection; expected one"),
            "found no SSH connection; expected",
        ),
    ],
)
def test_a_leader_that_is_not_there_is_named_once(stage: Stage, error: Exception, told: str) -> None:
    stage.commands["etcd-1"] = error
    with pytest.raises(OperationError) as refused:
        stage.move()
    assert str(refused.value).startswith(f"etcd-1: {told}")
    assert stage.done == []


def test_a_silent_host_is_named_and_the_others_do_not_wait_for_it(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.commands["master-2"] = "sleep 3"
    with caplog.at_level(logging.WARNING):
        stage.move()
    assert stage.done == ["held master-1", "move", "going master-1"]
    assert (
        "master-2: its API server goes on while the lead moves (found no answer; expected one; to"
        in caplog.text
    )


def test_a_master_without_an_api_server_is_no_problem(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.commands["master-1"] = "echo 'none x'"
    with caplog.at_level(logging.WARNING):
        stage.move()
    assert stage.done == ["held master-2", "move", "going master-2"]
    assert caplog.text == ""
