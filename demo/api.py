"""A small client of Kubernetes' REST API: one connection, one deadline, no retries of its own.

Writers measure an outage with it, so it must neither retry nor wait behind their backs, and it
must cost little: several of them share two cores with three API servers.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from demo.errors import DemoError


class Unanswered(Exception):
    """No whole answer came: refused, reset, timed out. The request may have been carried out."""


class TimedOut(Unanswered):
    """The client gave up after its own deadline."""


@dataclass(frozen=True)
class Answer:
    """HTTP status and the decoded JSON object (empty where the body is none)."""

    status: int
    body: dict[str, Any]


def tls_context(kubeconfig: Path) -> ssl.SSLContext:
    """TLS settings with a kubeconfig's client certificate, trusting its CA alone.

    Raises DemoError if the kubeconfig holds no embedded certificates.
    """
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"])
        certificate = base64.b64decode(user["client-certificate-data"])
        key = base64.b64decode(user["client-key-data"])
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        raise DemoError(f"{kubeconfig}: not a kubeconfig with embedded certificates") from error
    # Not create_default_context: since Python 3.13 it is strict about extensions that the CA
    # certificates of old kubeadm versions lack.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.decode())
    # OpenSSL takes a certificate from files alone; the directory is private and short-lived.
    with tempfile.TemporaryDirectory(prefix="unstack-demo-") as directory:
        pair = Path(directory) / "client.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(pair)
    return context


class ApiClient:
    """Requests to one address, over one connection that is made anew after every failure."""

    def __init__(self, address: str, context: ssl.SSLContext, timeout_seconds: float) -> None:
        """`address` is host:port."""
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPSConnection(
            host, int(port), timeout=timeout_seconds, context=context
        )

    def request(self, method: str, path: str, body: object | None = None) -> Answer:
        """The server's answer, whatever its status; raises Unanswered if there was none."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            # A connection that failed once may still deliver the answer to an old request.
            self._connection.close()
            kind = TimedOut if isinstance(error, TimeoutError) else Unanswered
            raise kind(str(error) or type(error).__name__) from error
        return Answer(response.status, _decode(raw))

    def lines(self, path: str) -> Iterator[Answer]:
        """What a watch sends, object by object as it comes, until the server ends it.

        An answer that is no watch comes alone, with its status. Raises Unanswered where the connection
        breaks, or stays silent for the client's timeout.
        """
        try:
            self._connection.request("GET", path, None, {"Accept": "application/json"})
            response = self._connection.getresponse()
            if response.status != HTTPStatus.OK:
                yield Answer(response.status, _decode(response.read()))
                return
            while line := response.readline():
                yield Answer(response.status, _decode(line))
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(str(error) or type(error).__name__) from error
        finally:
            # Whoever stops listening in between leaves an answer that is not at its end.
            self._connection.close()

    def expect(
        self, method: str, path: str, body: object | None = None, *, accept: tuple[int, ...] = ()
    ) -> Answer:
        """An answer with a status below 300, or one of `accept`; raises DemoError otherwise."""
        try:
            answer = self.request(method, path, body)
        except Unanswered as error:
            raise DemoError(f"{method} {path}: no answer from the API server: {error}") from error
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES and answer.status not in accept:
            message = answer.body.get("message", "no message")
            raise DemoError(f"{method} {path}: HTTP {answer.status}: {message}")
        return answer

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(raw)
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}
