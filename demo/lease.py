"""Leader election, as controllers do it: one candidate holds a Lease, another waits for it to run out.

The times and the order are those of client-go's leaderelection with the flags of kube-controller-manager:
a Lease lasts 15 s, its holder renews it every 2 s and gives up leading after 10 s without a renewal.
"""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from demo.api import ApiClient, Unanswered
from demo.errors import DemoError
from demo.gaps import longest_gap
from demo.objects import NAMESPACE

LEASE = "unstack-leader"
RENEW_DEADLINE_SECONDS = 10.0
_DURATION_SECONDS = 15
_RETRY_SECONDS = 2.0
# client-go's: half the deadline, so that a request that hangs leaves time for another one.
_TIMEOUT_SECONDS = RENEW_DEADLINE_SECONDS / 2
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


@dataclass
class Led:
    """What a candidate came to; moments on the monotonic clock."""

    begin: float
    renewals: list[float] = field(default_factory=list)
    end: float | None = None

    @property
    def longest_gap_seconds(self) -> float:
        """The longest time from one renewal to the next, from the first one on."""
        end = time.monotonic() if self.end is None else self.end
        return longest_gap(self.renewals, self.renewals[0] if self.renewals else self.begin, end).seconds


def problems(holder: Led, rival: Led) -> list[str]:
    """What is wrong with a Lease that its holder was to keep; empty if it never lost it."""
    found = []
    if not holder.renewals:
        found.append("the holder never held the lease")
    elif holder.longest_gap_seconds >= RENEW_DEADLINE_SECONDS:
        found.append(f"the lease was not renewed for {holder.longest_gap_seconds:.1f} s: its holder gave up")
    if rival.renewals:
        found.append("the rival took the lease")
    return found


class Candidate:
    """One that wants to lead, through one address, in a thread of its own."""

    def __init__(self, identity: str, address: str, context: ssl.SSLContext) -> None:
        """`address` is host:port."""
        self._identity = identity
        self._client = ApiClient(address, context, _TIMEOUT_SECONDS)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._lead, name=f"candidate {identity}", daemon=True)
        # The Lease's version as it was seen first, and when: another's clock is not to be trusted.
        self._version = ""
        self._seen = 0.0
        self.led = Led(time.monotonic())

    def start(self) -> None:
        """Begin to try."""
        self._thread.start()

    def wait_until_leading(self, timeout_seconds: float) -> None:
        """Wait for the first renewal. Raises DemoError if it does not come in time."""
        deadline = time.monotonic() + timeout_seconds
        while not self.led.renewals:
            if time.monotonic() > deadline:
                raise DemoError(f"{self._identity} does not hold the lease after {timeout_seconds:.0f} s")
            time.sleep(0.1)

    def leave(self) -> Led:
        """Try no more, without giving the Lease back; the second time it only tells what came of it."""
        self._leaving.set()
        if self.led.end is None:
            if self._thread.ident is not None:
                self._thread.join(2 * _TIMEOUT_SECONDS + _RETRY_SECONDS)
            self.led.end = time.monotonic()
        return self.led

    def _lead(self) -> None:
        while not self._leaving.is_set():
            try:
                if self._acquire_or_renew():
                    self.led.renewals.append(time.monotonic())
            except Unanswered:
                pass
            self._leaving.wait(_RETRY_SECONDS)
        self._client.close()

    def _acquire_or_renew(self) -> bool:
        answer = self._client.request("GET", f"{_LEASES}/{LEASE}")
        if answer.status == HTTPStatus.NOT_FOUND:
            body = {"metadata": {"name": LEASE, "namespace": NAMESPACE}, "spec": self._spec({})}
            return self._client.request("POST", _LEASES, {**_KIND, **body}).status == HTTPStatus.CREATED
        if answer.status != HTTPStatus.OK:
            return False
        metadata, spec = answer.body["metadata"], answer.body["spec"]
        if metadata["resourceVersion"] != self._version:
            self._version, self._seen = metadata["resourceVersion"], time.monotonic()
        is_own = spec["holderIdentity"] == self._identity
        if not is_own and time.monotonic() < self._seen + _DURATION_SECONDS:
            return False
        # With the version that was read: of two who try at once, one gets a conflict.
        body = {"metadata": metadata, "spec": self._spec(spec)}
        return self._client.request("PUT", f"{_LEASES}/{LEASE}", {**_KIND, **body}).status == HTTPStatus.OK

    def _spec(self, old: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = old.get("holderIdentity") not in (None, self._identity)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": _DURATION_SECONDS,
            "acquireTime": now if changed or not old else old["acquireTime"],
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions", 0)) + changed,
        }


_KIND = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
