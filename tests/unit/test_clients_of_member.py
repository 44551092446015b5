"""await-no-client.sh against real sockets: who is connected to a member, and when nobody is."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from unstack.scripts import script

# Under etcd's name: listens, and is a client of itself as etcd's gateway is.
MEMBER = """
import socket, sys, time
place = sys.argv[1], int(sys.argv[2])
server = socket.create_server(place, family=socket.AF_INET6 if ":" in place[0] else socket.AF_INET)
own = socket.create_connection(place)
print("ready", flush=True)
time.sleep(60)
"""
CLIENT = """
import socket, sys, time
kept = socket.create_connection((sys.argv[1], int(sys.argv[2])))
time.sleep(float(sys.argv[3]))
"""


def _wait(
    tmp_path: Path, *, client_seconds: int = 0, address: str = "127.0.0.1", timeout: int = 1
) -> subprocess.CompletedProcess[str]:
    """The script beside such a member and, where it stays for any time, a client of it."""
    with socket.create_server((address, 0), family=_family(address)) as free:
        port = free.getsockname()[1]
    (tmp_path / "etcd").symlink_to(sys.executable)
    (tmp_path / "member.py").write_text(MEMBER)
    (tmp_path / "client.py").write_text(CLIENT)
    url = f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
    flags = f"--name=m1 '--listen-client-urls={url}'"
    begun = f"mkfifo told; ./etcd member.py {address} {port} {flags} >told & read -r _ <told;"
    if client_seconds:
        begun += f"{sys.executable} client.py {address} {port} {client_seconds} & sleep 0.5;"
    waiting = script("await-no-client", "m1", str(timeout)).get_raw_value()
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{begun} {waiting}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def test_a_member_that_is_its_own_client_has_none(tmp_path: Path) -> None:
    done = _wait(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("address", "shown"), [("127.0.0.1", "127.0.0.1:"), ("::1", "[0000:0000:0000:0000:0000:0000:0000:0001]:")]
)
def test_another_client_is_named_by_its_address(tmp_path: Path, address: str, shown: str) -> None:
    done = _wait(tmp_path, client_seconds=30, address=address)
    assert done.returncode == 1
    assert f"found clients of the stacked etcd m1: {shown}" in done.stderr
    assert done.stderr.count(shown) == 1  # the member's own connection does not count


def test_a_client_that_goes_is_waited_for(tmp_path: Path) -> None:
    done = _wait(tmp_path, client_seconds=2, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
