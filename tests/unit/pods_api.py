"""An API server with as much of pods and namespaces as the pod probe asks for; it tells lists as tables."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Cluster:
    """Nodes by what their pods do: {node: seconds until (Running, stopped, gone)}, None for never."""

    nodes: dict[str, tuple[float | None, float | None, float | None]] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)  # name: labels
    pods: dict[str, tuple[dict[str, Any], float]] = field(default_factory=dict)  # name: pod, when made
    deleted: dict[str, float] = field(default_factory=dict)
    refusals: int = 0  # how many pods are refused before the first is let in
    requests: list[str] = field(default_factory=list)

    def listed(self, label: str) -> list[list[Any]]:
        """The cells of the table, pods of this label that are not gone yet."""
        rows = []
        for name, (pod, made) in sorted(self.pods.items()):
            runs, stops, goes = self.nodes[pod["spec"]["nodeName"]]
            going = self.deleted.get(name)
            if going is not None and goes is not None and time.monotonic() - going >= goes:
                continue
            if f"unstack-pod-probe={pod['metadata']['labels']['unstack-pod-probe']}" == label:
                is_running = runs is not None and time.monotonic() - made >= runs
                if going is not None and stops is not None and time.monotonic() - going >= stops:
                    is_running = False
                status = "Terminating" if going else "Running" if is_running else "ContainerCreating"
                rows.append([name, "1/1" if is_running else "0/1", status, 0, "1s"])
        return rows


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body, separators=(",", ":")).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _ask(self) -> tuple[list[str], str, dict[str, Any]]:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        self.cluster.requests.append(f"{self.command} {url.path}")
        return url.path.split("/")[4:], parse_qs(url.query).get("labelSelector", [""])[0], body

    def do_GET(self) -> None:
        (name, *rest), label, _ = self._ask()
        if name not in self.cluster.namespaces:
            self._answer(404, {"kind": "Status"})
        elif rest == ["pods"]:
            columns = [{"name": "Name"}, {"name": "Ready"}, {"name": "Status"}]
            rows = [{"cells": row, "object": {"kind": "Partial"}} for row in self.cluster.listed(label)]
            self._answer(200, {"kind": "Table", "columnDefinitions": columns, "rows": rows})
        else:
            self._answer(200, {"metadata": {"name": name, "labels": self.cluster.namespaces[name]}})

    def do_POST(self) -> None:
        path, _, body = self._ask()
        name = body["metadata"]["name"]
        if not path:
            self.cluster.namespaces[name] = body["metadata"]["labels"]
        elif self.cluster.refusals:
            self.cluster.refusals -= 1
            self._answer(403, {"kind": "Status", "message": "no account yet"})
            return
        else:
            self.cluster.pods[name] = (body, time.monotonic())
        self._answer(201, body)

    def do_DELETE(self) -> None:
        (name, *rest), label, _ = self._ask()
        if rest:
            self.cluster.deleted |= {row[0]: time.monotonic() for row in self.cluster.listed(label)}
        else:
            self.cluster.namespaces.pop(name, None)
        self._answer(200, {})

    def log_message(self, format: str, *args: object) -> None:
        """Not on the tests' output."""


@contextmanager
def serving(cluster: Cluster) -> Iterator[str]:
    """The URL at which this cluster's API answers."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
