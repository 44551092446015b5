"""Who renewed a lease, and whose lease is let go."""

from __future__ import annotations

from typing import Any

from unstack.heartbeats import dead_before, held_leases, renewed_at, silent_components, silent_leases

MOMENT = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def _lease(name: str, renewed: str | None, holder: str | None = "one") -> dict[str, Any]:
    spec = {"renewTime": renewed, "holderIdentity": holder}
    return {
        "metadata": {"name": name, "resourceVersion": f"of {name}"},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def _leases(*leases: dict[str, Any]) -> dict[str, Any]:
    return {"items": list(leases)}


def test_reads_the_time_of_renewal_with_microseconds() -> None:
    assert renewed_at(_lease("a", "2023-11-14T22:13:20.500000Z")) == MOMENT + 0.5
    assert renewed_at(_lease("a", None)) is None


def test_a_lease_renewed_after_the_moment_is_not_silent() -> None:
    leases = _leases(
        _lease("before", "2023-11-14T22:13:19.000000Z"),
        _lease("after", "2023-11-14T22:13:21.000000Z"),
        _lease("never", None),
    )
    assert list(silent_leases(leases, MOMENT)) == ["before", "never"]


def test_a_node_silent_for_two_minutes_counts_as_dead_before() -> None:
    leases = _leases(
        _lease("dead", "2023-11-14T22:11:19.000000Z"), _lease("slow", "2023-11-14T22:11:21.000000Z")
    )
    assert dead_before(leases, MOMENT) == {"dead"}


def test_only_controllers_leases_count_as_components() -> None:
    old = "2023-11-14T22:13:19.000000Z"
    leases = _leases(_lease("kube-scheduler", old), _lease("some-operator", old))
    assert list(silent_components(leases, MOMENT)) == ["kube-scheduler"]


def test_only_held_leases_of_controller_manager_and_scheduler_are_let_go() -> None:
    now = "2023-11-14T22:13:21.000000Z"
    leases = _leases(
        _lease("kube-controller-manager", now),
        _lease("kube-scheduler", now, holder=""),
        _lease("some-operator", now),
    )
    assert list(held_leases(leases)) == [("kube-controller-manager", "of kube-controller-manager")]
