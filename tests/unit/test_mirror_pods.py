"""A master's API server among the mirror pods, and kubelet woken by a change of it."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from unstack.mirror_pods import MIRROR, api_server_pod
from unstack.scripts import script

POD = "/api/v1/namespaces/kube-system/pods/kube-apiserver-node-b"


def _pod(name: str, address: str, is_mirror: bool = True) -> dict[str, Any]:
    annotations = {MIRROR: "1f2e"} if is_mirror else None
    container = {"command": ["kube-apiserver", f"--advertise-address={address}"]}
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("address", "name"),
    [("192.0.2.12", "kube-apiserver-node-b"), ("192.0.2.1", None), ("192.0.2.13", None)],
)
def test_the_mirror_pod_is_found_by_the_address_and_by_no_name(address: str, name: str | None) -> None:
    listed = {
        "items": [
            _pod("kube-apiserver-node-a", "192.0.2.11"),
            _pod("somebody-s", "192.0.2.12", is_mirror=False),
            _pod("kube-apiserver-node-b", "192.0.2.12"),
            _pod("somebody-else-s", "192.0.2.13", is_mirror=False),
        ]
    }
    assert api_server_pod(listed, address) == name


@contextmanager
def _api_server(status: int, touched: Path) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Its URL and what it was asked. Once it has taken something the file `touched` is there."""
    asked: list[tuple[str, str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Content-Type"], body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if status == 200:
                touched.touch()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _wake(kubelet: str, timeout_seconds: int, *urls: str) -> subprocess.CompletedProcess[str]:
    """Run the script beside such a kubelet, in a process namespace of its own: an API server may run here."""
    wake = script("wake-kubelet", "ca", "certificate", "key", POD, str(timeout_seconds), *urls)
    return subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{kubelet} & {wake.get_raw_value()}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_kubelet_starts_an_api_server_once_another_one_has_taken_a_change_of_its_mirror_pod(
    tmp_path: Path,
) -> None:
    program, touched = tmp_path / "kube-apiserver", tmp_path / "touched"
    program.symlink_to("/bin/sleep")
    kubelet = f"(until [ -f {touched} ]; do sleep 0.1; done; exec {program} 30)"
    with _api_server(500, touched) as (refusing, refused), _api_server(200, touched) as (url, asked):
        done = _wake(kubelet, 20, "http://127.0.0.1:1", refusing, url, url)
    assert done.returncode == 0, done.stderr
    assert [path for path, _, _ in refused] == [POD]
    ((path, kind, body),) = asked
    assert (path, kind) == (POD, "application/merge-patch+json")
    assert list(body["metadata"]["annotations"]) == ["unstack/restarted"]


def test_no_api_server_is_waited_for_without_an_end() -> None:
    done = _wake("true", 1)
    assert done.returncode == 1
    assert "found no kube-apiserver 1 s after the last one ended" in done.stderr
