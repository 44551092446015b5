"""The certificates that a rollback needs, by the manifests that were kept."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from unstack.stacked_certificates import paths, problems

MANIFESTS = Path(__file__).parent / "manifests"
KEPT = {name: (MANIFESTS / f"{name}.yaml").read_text() for name in ("etcd", "kube-apiserver")}
PKI = "/etc/kubernetes/pki"
WANTED = (
    f"{PKI}/apiserver-etcd-client.crt",
    f"{PKI}/etcd/ca.crt",
    f"{PKI}/etcd/peer.crt",
    f"{PKI}/etcd/server.crt",
)
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)


def test_the_kept_manifests_name_them() -> None:
    assert paths(KEPT) == WANTED
    assert paths({}) == ()


def test_lasting_ones_are_no_problem() -> None:
    assert list(problems("m", WANTED, dict.fromkeys(WANTED, NOW + timedelta(days=8)), NOW, 7)) == []


def test_each_that_is_gone_or_ends_is_told() -> None:
    ends = dict.fromkeys(WANTED, NOW + timedelta(days=365))
    del ends[WANTED[0]]
    ends[WANTED[2]] = NOW + timedelta(days=6)
    ends[WANTED[3]] = NOW - timedelta(days=1)
    assert [one.found for one in problems("m", WANTED, ends, NOW, 7)] == [
        f"no {WANTED[0]}",
        f"{WANTED[2]}, which expires on 2026-11-30",
        f"{WANTED[3]}, which expired on 2026-11-23",
    ]
