"""Commands in the lab's machines: what the engine sends is what comes out."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import docker
import pytest

from lab import machines
from lab.errors import LabError

STDOUT, STDERR = 1, 2
PIECES = ((STDOUT, b"at once\n"), (STDERR, b"an error\n"), (STDOUT, b"at the end\n"))


def frame(stream: int, text: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


class Engine(BaseHTTPRequestHandler):
    """Docker's API of `exec`, for a command that prints before its client has read the answer's head."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "/gone/" in self.path:
            self._answer({"message": "No such container: gone"}, HTTPStatus.NOT_FOUND)
        else:
            self._answer({"Id": "one", "ExitCode": 3})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/start"):
            self.do_GET()
        else:
            first, *others = (frame(*piece) for piece in PIECES)
            status = b"101 UPGRADED" if "Upgrade" in self.headers else b"200 OK"
            head = b"HTTP/1.1 " + status + b"\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
            self.request.sendall(head + first)
            self.request.sendall(b"".join(others))
            self.request.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def _answer(self, body: dict[str, object], status: HTTPStatus = HTTPStatus.OK) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[docker.DockerClient]:
    """A client of that engine."""
    with ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), Engine) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = docker.DockerClient(base_url=f"unix://{tmp_path}/engine.sock", version="1.41")
        yield client
        client.close()
        server.shutdown()


def test_output_that_comes_along_with_the_head_of_the_answer_is_not_lost(client: docker.DockerClient):
    assert machines.execute(client, "one", "a command") == (3, "at once\nan error\nat the end\n")


def test_a_machine_that_is_not_there_is_named(client: docker.DockerClient):
    with pytest.raises(LabError, match="gone: cannot run a command: No such container: gone"):
        machines.execute(client, "gone", ["true"])
