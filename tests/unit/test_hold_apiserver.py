"""An API server stands still for a moment, and goes on whatever becomes of whoever asked for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from unstack.observations import parse_report
from unstack.scripts import script

# In a process namespace of its own: this host may run a real API server. No shell can trap a signal that
# was ignored when it began, and whoever runs the tests may ignore one (nohup).
ALONE = ("env", "--default-signal", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
STAGE = """
cd "$1"
./kube-apiserver 60 & server=$!
until [ "$(cat /proc/$server/comm)" = kube-apiserver ]; do sleep 0.02; done
mkfifo in
state() {{ sed 's/.*) //' /proc/$server/stat | cut -c 1; }}
told() {{ for turn in $(seq 100); do grep -q "^$1 " out && return; sleep 0.05; done; echo "never $1"; }}
{hold} <in >out & holder=$!
exec 3>in
told ready; sleep 0.1; state
echo >&3; told held; state
{then}
state
"""


def _states(directory: Path, then: str, limit: int = 30) -> list[str]:
    """The API server's states (proc(5)): before, held, and after the commands."""
    shutil.copy("/bin/sleep", directory / "kube-apiserver")
    stage = STAGE.format(hold=script("hold-apiserver", str(limit)).get_raw_value(), then=then)
    done = subprocess.run(
        [*ALONE, stage, "sh", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("then", "limit"),
    [
        ("echo >&3; told going", 30),
        ("exec 3>&-; wait $holder", 30),  # the connection has ended
        ("kill -TERM $holder; wait $holder", 30),
        ("kill -HUP $holder; wait $holder", 30),
        ("kill -KILL $holder; state; sleep 1.5", 1),
        ("state; sleep 1.5", 1),  # whoever asked is silent
    ],
)
def test_stands_still_until_it_is_told_or_nobody_is_there_any_more(
    tmp_path: Path, then: str, limit: int
) -> None:
    before, *held, after = _states(tmp_path, then, limit)
    assert (before, set(held), after) == ("S", {"T"}, "S")


def test_without_an_api_server_there_is_nothing_to_hold(tmp_path: Path) -> None:
    hold = script("hold-apiserver", "30").get_raw_value()
    done = subprocess.run(
        [*ALONE, hold],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(parse_report(done.stdout.splitlines())) == {"none"}
