"""Members whose restored data differs are not started; files that differ in their pages alone are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError

from unstack.observations import MemberData, Restored
from unstack.operations import start
from unstack.operations.start import differing, refuse_unequal
from unstack.restoring import SnapshotStatus

SAME = SnapshotStatus(hash=1576354786, revision=452, entries=159)
OTHER = SnapshotStatus(hash=1, revision=452, entries=159)
NAMES = ("etcd-1", "etcd-2", "etcd-3")


def _member(sha256: str) -> MemberData:
    restored = Restored(run="r", sha256="of the snapshot", revision=452, token="t", database_sha256=sha256)
    return MemberData(has_data=True, restored=restored, container="created")


def _run(contents: dict[str, SnapshotStatus] | None = None) -> Any:
    """A run that has read these contents; without any, reading them would fail."""
    return SimpleNamespace(cache={} if contents is None else {"restored contents": contents})


def test_identical_files_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "read", lambda *_, **__: pytest.fail("read in the outage for nothing"))
    refuse_unequal(_run(), dict.fromkeys(NAMES, _member("one")))


def test_files_with_other_pages_and_the_same_content_are_started() -> None:
    members = {**dict.fromkeys(NAMES, _member("one")), "etcd-2": _member("two")}
    refuse_unequal(_run(dict.fromkeys(NAMES, SAME)), members)


def test_files_with_other_content_are_refused() -> None:
    members = {**dict.fromkeys(NAMES, _member("one")), "etcd-2": _member("two")}
    with pytest.raises(OperationError, match="No member was started"):
        refuse_unequal(_run({**dict.fromkeys(NAMES, SAME), "etcd-2": OTHER}), members)


def test_no_database_of_a_member_that_runs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "read", lambda *_, **__: pytest.fail("etcd holds its database for itself"))
    running = replace(_member("two"), container="running")
    refuse_unequal(_run(), {**dict.fromkeys(NAMES, _member("one")), "etcd-2": running})


def test_every_host_is_named_with_what_it_holds() -> None:
    found = differing({"etcd-1": SAME, "etcd-2": OTHER})
    assert [(one.host, "hash 00000001" in one.found) for one in found] == [
        ("etcd-1", False),
        ("etcd-2", True),
    ]


def test_a_member_without_restored_data_is_refused() -> None:
    empty = MemberData(has_data=False, restored=None, container="created")
    with pytest.raises(OperationError, match="1 problem"):
        refuse_unequal(_run(), {**dict.fromkeys(NAMES, _member("one")), "etcd-3": empty})
