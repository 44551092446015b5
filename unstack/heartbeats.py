"""Who has renewed a lease since a moment: the proof that the control plane and the nodes live on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

# A node renews its lease every 10 s and counts as unreachable after 40 s.
DEAD_SECONDS = 120.0
CONTROL_PLANE = ("kube-controller-manager", "kube-scheduler")


def renewed_at(lease: Mapping[str, Any]) -> float | None:
    """When a coordination.k8s.io Lease was last renewed, as a Unix time in seconds; None if never."""
    text = lease.get("spec", {}).get("renewTime")
    # RFC 3339 with microseconds and "Z", which Python reads from 3.11 on only.
    return None if not text else datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def silent_leases(leases: Mapping[str, Any], since: float) -> Iterator[str]:
    """Names of the leases in a LeaseList that were not renewed after `since` (Unix time)."""
    for lease in leases.get("items", ()):
        renewed = renewed_at(lease)
        if renewed is None or renewed <= since:
            yield lease["metadata"]["name"]


def dead_before(leases: Mapping[str, Any], moment: float) -> frozenset[str]:
    """Names of the leases whose holders were silent long before `moment` (Unix time) already."""
    return frozenset(silent_leases(leases, moment - DEAD_SECONDS))


def silent_components(leases: Mapping[str, Any], since: float) -> Iterator[str]:
    """Which of controller-manager and scheduler have a lease in kube-system that was not renewed.

    Clusters before Kubernetes 1.20 elect by Endpoints instead and have no such Lease: nothing is
    said of those.
    """
    return (name for name in silent_leases(leases, since) if name in CONTROL_PLANE)


def held_leases(leases: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, resourceVersion) of each lease of controller-manager and scheduler that has a holder."""
    for lease in leases.get("items", ()):
        metadata = lease["metadata"]
        if metadata["name"] in CONTROL_PLANE and lease.get("spec", {}).get("holderIdentity"):
            yield metadata["name"], metadata["resourceVersion"]
