"""When the stacked etcd's remains may go, and which: by the manifests, marks and files of a master."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.unit.cluster import APISERVER, ETCD, master, topology
from unstack.decommission import (
    archive_path,
    plan,
    read_stacked,
    remains_problems,
    soak_problems,
    withdrawn,
)
from unstack.manifest import ManifestError
from unstack.members import read_masterleases
from unstack.observations import Mark, MasterHost
from unstack.operations.leftovers import stale
from unstack.remains import Remains
from unstack.settings import Settings

PKI = "/etc/kubernetes/pki"
KEPT = {"etcd": ETCD, "kube-apiserver": APISERVER}
STACKED = read_stacked(KEPT)
NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
CONFIRMED = Mark("20261121T110000Z", NOW - timedelta(days=7, minutes=1))


def _settings(**changes: object) -> Settings:
    return topology(**changes).settings


def _migrated(**changes: object) -> MasterHost:
    live = {name: text for name, text in master().live.items() if name != "etcd"}
    return master(**{"live": live, "kept": KEPT, "confirmed": CONFIRMED, **changes})


def _remains(**changes: object) -> Remains:
    fields: dict[str, object] = {
        "process": None,
        "data_bytes": 10 * 2**20,
        "is_member": True,
        "foreign": (),
        "files": STACKED.files,
        "used": (),
        "has_archive": False,
        "unfinished_bytes": 0,
        "has_tar": True,
    }
    return Remains(**{**fields, **changes})  # type: ignore[arg-type]


def _found(one: MasterHost | None = None, remains: Remains | None = None, **settings: object) -> list[str]:
    problems = remains_problems(
        "m", one or _migrated(), STACKED, remains or _remains(), _settings(**settings)
    )
    return [problem.found for problem in problems]


def test_the_kept_manifests_name_what_only_the_stacked_etcd_used() -> None:
    pairs = ("etcd/healthcheck-client", "etcd/peer", "etcd/server", "apiserver-etcd-client")
    assert set(STACKED.pairs) == {f"{PKI}/{name}.{end}" for name in pairs for end in ("crt", "key")}
    assert STACKED.authority == (f"{PKI}/etcd/ca.crt", f"{PKI}/etcd/ca.key")
    assert (STACKED.name, STACKED.data_directory) == ("cp-b", "/var/lib/etcd")
    assert STACKED.peer_url == "https://172.30.0.12:2380"
    with pytest.raises(ManifestError):
        read_stacked({"kube-apiserver": APISERVER})


def test_the_authority_goes_only_when_asked_for() -> None:
    assert STACKED.removable(_settings()) == STACKED.pairs
    assert set(STACKED.removable(_settings(decommission_ca=True))) == {*STACKED.pairs, *STACKED.authority}


def test_nothing_stands_in_the_way_of_remains_at_rest() -> None:
    assert _found() == []
    assert list(soak_problems("m", _migrated(), _settings(), NOW)) == []


def test_refuses_before_the_soak_time_by_the_masters_own_clock() -> None:
    (problem,) = soak_problems("m", _migrated(), _settings(decommission_after="8d"), NOW)
    assert problem.found == "a confirmation of 2026-11-21 11:59:00 UTC, 7 days, 0:01:00 ago"
    assert "8d in use" in problem.expected
    assert "run again after 2026-11-29 11:59:00 UTC" in problem.action
    slow = _migrated(clock_offset_seconds=-120.0)
    assert len(list(soak_problems("m", slow, _settings(), NOW))) == 1


def test_refuses_without_a_record_of_the_confirmation() -> None:
    (problem,) = soak_problems("m", _migrated(confirmed=None), _settings(), NOW)
    assert problem.found == "no record of a confirmation"
    assert "deploy.py" in problem.action


@pytest.mark.parametrize(
    ("remains", "found"),
    [
        ({"process": 4711}, "a stacked etcd (process 4711)"),
        ({"foreign": ("/var/lib/etcd/backup.db",)}, "/var/lib/etcd/backup.db, which is not"),
        ({"is_member": False}, "/var/lib/etcd/member, which is not the data of the stacked etcd cp-b"),
        ({"used": (f"{PKI}/etcd/peer.key by /m/x.yaml",)}, f"the use of {PKI}/etcd/peer.key by /m/x.yaml"),
        ({"has_tar": False}, "no GNU tar"),
        ({"data_bytes": None, "is_member": False}, "no /var/lib/etcd/member"),
    ],
)
def test_refuses_what_may_still_be_needed_or_is_not_ours(remains: dict[str, object], found: str) -> None:
    (told,) = _found(remains=_remains(**remains))
    assert told.startswith(found)


def test_refuses_a_manifest_of_the_stacked_etcd_in_place() -> None:
    assert _found(_migrated(live=master().live)) == ["a stacked etcd with its manifest in place"]


def test_the_use_of_the_authority_matters_only_where_it_is_to_be_removed() -> None:
    used = _remains(used=(f"{PKI}/etcd/ca.crt by /m/x.yaml",))
    assert _found(remains=used) == []
    assert len(_found(remains=used, decommission_ca=True)) == 1


def test_refuses_a_disk_that_is_smaller_than_the_data() -> None:
    # The data takes 10 MiB, the margin is 64 MiB.
    assert len(_found(_migrated(free_bytes=74 * 2**20 - 1))) == 1
    assert _found(_migrated(free_bytes=74 * 2**20)) == []
    assert _found(_migrated(free_bytes=64 * 2**20), _remains(unfinished_bytes=10 * 2**20)) == []
    assert _found(_migrated(free_bytes=0), decommission="remove") == []
    assert _found(_migrated(free_bytes=0), _remains(has_archive=True)) == []


def test_a_killed_removal_goes_on_without_the_data() -> None:
    begun = _migrated(decommissioning=Mark("r", NOW))
    assert _found(begun, _remains(data_bytes=None, is_member=False), decommission="archive") == []


def test_tells_what_goes_and_what_stays() -> None:
    told = list(plan(STACKED, _remains(), _migrated(), _settings()))
    assert told[0] == "/var/lib/etcd: 10,485,760 bytes, to be removed"
    assert f"{PKI}/etcd/server.key" in told[1]
    assert told[2] == f"kept: {PKI}/etcd/ca.crt, {PKI}/etcd/ca.key"
    assert told[3].endswith("/var/lib/unstack/stacked-etcd-20261121T110000Z.tar.gz")
    gone = _remains(data_bytes=None, files=())
    assert list(plan(STACKED, gone, _migrated(), _settings(decommission="remove"))) == [
        "/var/lib/etcd: no data is left",
        "certificates and keys to be removed: none",
    ]


def test_a_new_migration_gets_an_archive_of_its_own() -> None:
    other = _migrated(confirmed=Mark("20270101T000000Z", NOW))
    assert archive_path(other, _settings()) != archive_path(_migrated(), _settings())


@pytest.mark.parametrize(
    ("mark", "found"),
    [
        ("decommissioned", "no stacked etcd: decommissioned since 2026-11-28 12:00:00 UTC by run r"),
        ("decommissioning", "no stacked etcd: an unfinished decommission began 2026-11-28 12:00:00 UTC"),
    ],
)
def test_there_is_no_way_back_once_the_removal_has_begun(mark: str, found: str) -> None:
    (problem,) = withdrawn("m", _migrated(**{mark: Mark("r", NOW)}))
    assert problem.found.startswith(found)
    assert list(withdrawn("m", _migrated())) == []


def test_a_mark_is_read_with_its_time_zone_and_nothing_else_passes_for_one() -> None:
    assert Mark.parse('{"run": "r", "at": "2026-11-28T13:00:00+01:00"}') == Mark("r", NOW)
    for text, said in (
        ("", "Expecting value"),
        ("{}", "no note of ours"),
        ("[]", "no note of ours"),
        ('{"run": "r", "at": "yesterday"}', "Invalid isoformat"),
        ('{"run": "r", "at": 1}', "no note of ours"),
    ):
        with pytest.raises(ValueError, match=said):
            Mark.parse(text)


def test_masterleases_are_told_by_address() -> None:
    """As etcdctl writes them, the keys in base64."""
    answer = {
        "header": {"revision": 9},
        "kvs": [
            {"key": "L3JlZ2lzdHJ5L21hc3RlcmxlYXNlcy8xNzIuMzAuMC4xMQ==", "mod_revision": 7, "lease": 12},
        ],
    }
    line = "keys {}"
    encoded = base64.b64encode(json.dumps(answer).encode()).decode()
    assert read_masterleases([line.format(encoded)]) == {"172.30.0.11": 7}
    assert read_masterleases(["keys e30="]) == {}


def test_a_masterlease_that_somebody_writes_belongs_to_a_master_that_is_not_in_the_inventory() -> None:
    kept, problems = stale({"192.0.2.1": 5, "192.0.2.2": 6, "192.0.2.3": 7}, {"192.0.2.1": 5, "192.0.2.2": 9})
    assert kept == {"192.0.2.1": 5}  # the third has run out by itself
    assert [problem.found for problem in problems] == [
        "an API server at 192.0.2.2 that is no master of the inventory"
    ]
