"""A backup is restored into a whole migrated cluster only, or goes on where a killed restore stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.cluster import EXTERNAL, OURS, cluster, edited, etcd_host, fenced_master, master
from tests.unit.cluster import topology as a_topology
from unstack.backup import Backup, BackupError
from unstack.observations import MasterHost, MemberData
from unstack.operations.confirm import dead_nodes
from unstack.placement import restores_begun
from unstack.preflight import Cluster, judge
from unstack.restore_rules import begun, is_placed, problems
from unstack.restoring import Restoring
from unstack.versions import EtcdVersion

BACKUP = Backup(Path("old.db"), 20 * 2**20, "ab", 0.0, EtcdVersion(3, 5, 0))
COMPOSE = {"/etc/etcd/docker-compose.yaml": "cd"}
MARK = Restoring("20261128T000000Z", "ab", 100, 10**9, False)


def _migrated_master(**changes: object) -> MasterHost:
    live = edited("--etcd-servers=https://127.0.0.1:2379", f"--etcd-servers={EXTERNAL}")
    return master(**{"live": {name: text for name, text in live.items() if name != "etcd"}, **changes})


def _migrated(masters: dict[str, MasterHost] | None = None, **host: object) -> Cluster:
    member = {"sha256": COMPOSE, "container": "running", "container_is_ours": True, "restored": OURS, **host}
    hosts = {f"etcd-{number}": etcd_host(sha256=COMPOSE) for number in (1, 3)}
    return cluster(
        masters={f"master-{number}": _migrated_master() for number in (1, 2, 3)} | (masters or {}),
        etcd_hosts={**hosts, "etcd-2": etcd_host(**member)},
    )


def _told(
    cluster: Cluster, backup: Backup | BackupError | None = BACKUP, mark: Restoring | None = None
) -> str:
    return "\n".join(map(str, problems(cluster, backup, mark)))


def test_a_whole_migrated_cluster_is_refused_nothing() -> None:
    assert _told(_migrated()) == ""


def test_without_a_backup_it_is_said_how_to_give_one() -> None:
    told = _told(_migrated(), None)
    assert told.startswith("command line: found no backup to restore; expected ")
    assert told.endswith("to do: add --data backup=FILE")


def test_a_damaged_backup_is_told_as_it_was_found() -> None:
    told = _told(_migrated(), BackupError("old.db, which is empty", "a whole one"))
    assert told.startswith("control node: found old.db, which is empty; expected a whole one; to do: ")


@pytest.mark.parametrize("version", [EtcdVersion(3, 6, 0), EtcdVersion(3, 4, 0)])
def test_a_backup_of_another_minor_version_is_refused(version: EtcdVersion) -> None:
    told = _told(_migrated(), replace(BACKUP, version=version))
    assert f"control node: found old.db, a backup of etcd 3.{version.minor}; expected one of etcd 3.5" in told


def test_an_etcd_that_can_not_bump_is_refused() -> None:
    old = replace(_migrated(), topology=a_topology(etcd_image="etcd:v3.5.9"))
    assert "found etcd_image etcd:v3.5.9 (etcd 3.5.9); expected 3.5.10 or newer" in _told(old)


def test_a_cluster_that_is_not_migrated_is_refused_once() -> None:
    stacked = replace(_migrated(), masters={f"master-{number}": master() for number in (1, 2, 3)})
    assert _told(stacked).count("found a cluster that is not migrated") == 1
    assert "a migration that is not finished" not in _told(stacked)


EXTERNAL_APISERVER = edited("--etcd-servers=https://127.0.0.1:2379", f"--etcd-servers={EXTERNAL}")[
    "kube-apiserver"
]


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (master(), "the API server is on the stacked etcd"),
        (
            fenced_master(EXTERNAL_APISERVER),
            "no kube-apiserver, kube-controller-manager, kube-scheduler in place",
        ),
        (
            _migrated_master(live={**_migrated_master().live, "etcd": "kind: Pod"}),
            "the stacked etcd's manifest is in place",
        ),
    ],
)
def test_an_unfinished_migration_is_refused_by_the_master_that_shows_it(one: MasterHost, found: str) -> None:
    told = _told(_migrated({"master-2": one}))
    assert told.startswith(f"master-2: found a migration that is not finished: {found}; expected ")
    assert len(told.splitlines()) == 1


def test_an_unfinished_rollback_is_refused() -> None:
    assert "master-2: found a rollback that was begun and not finished" in _told(
        _migrated({"master-2": _migrated_master(is_returning=True)})
    )


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ({"sha256": {}}, "no /etc/etcd/docker-compose.yaml"),
        ({"has_image": False}, "no image etcd:v3.5.30"),
        ({"engine": None}, "no container engine"),
        ({"container_is_ours": False}, "a container named etcd (running) that is not ours"),
        ({"restored": replace(OURS, token=f"unstack-other-{OURS.run}")}, "the member of the cluster other"),
        ({"free_bytes": 100 * 2**20}, "100 MiB free for /var/lib/etcd-external; expected at least 104 MiB"),
    ],
)
def test_a_host_that_can_not_take_the_backup_is_refused(host: dict[str, object], found: str) -> None:
    told = _told(_migrated(**host))
    assert f"etcd-2: found {found}" in told
    assert len(told.splitlines()) == 1


def test_a_restore_under_way_goes_on_where_its_fence_is_closed() -> None:
    fenced = {f"master-{n}": fenced_master(EXTERNAL_APISERVER, restoring=MARK) for n in (1, 2, 3)}
    assert _told(_migrated(fenced), BACKUP, MARK) == ""


def test_a_restore_under_way_wants_the_same_backup() -> None:
    told = _told(_migrated(), replace(BACKUP, sha256="ef"), MARK)
    assert f"run {MARK.run} has begun to restore another backup and not finished" in told
    assert "expected that one, with sha256 ab" in told
    assert f"/var/lib/etcd-external/snapshot-{MARK.run}.db" in told


def test_a_mark_of_use_on_one_master_counts_for_all() -> None:
    used = replace(MARK, in_use=True)
    assert begun([master(), master(restoring=MARK), master(restoring=used)]) == used
    assert begun([master()]) is None


def test_a_mark_is_read_as_it_was_written() -> None:
    assert Restoring.parse(MARK.text()) == MARK
    assert MARK.restored_revision == 1_000_000_100
    with pytest.raises(ValueError, match="unexpected keyword"):
        Restoring.parse('{"by": "somebody"}')


def test_only_data_of_this_restore_counts_as_placed() -> None:
    placed = MemberData(True, replace(OURS, run=MARK.run), "running")
    assert is_placed(placed, MARK)
    assert not is_placed(placed, None)
    assert not is_placed(MemberData(True, OURS, "running"), MARK)
    assert not is_placed(MemberData(True, None, "running"), MARK)
    # A kill between the note and the data: the note alone is no data.
    assert not is_placed(MemberData(False, placed.restored, "exited"), MARK)


def test_a_migration_is_refused_while_a_restore_is_unfinished() -> None:
    masters = {**cluster().masters, "master-2": master(restoring=MARK)}
    (found,) = restores_begun(masters)
    assert f"master-2: found a restore of a backup that was begun by run {MARK.run}" in str(found)
    assert found in judge(cluster(masters=masters))


def _leases(**renewed: str) -> dict[str, object]:
    return {
        "items": [{"metadata": {"name": name}, "spec": {"renewTime": at}} for name, at in renewed.items()]
    }


def _waited_for(leases: dict[str, object], cache: dict[str, object], results: dict[str, object]) -> set[str]:
    run = SimpleNamespace(cache=cache, results=results)
    return {"old", "new"} - dead_nodes(run, leases, FENCE + 5, 0.0)  # type: ignore[arg-type]


FENCE = 1_795_860_000.0  # 2026-11-28T10:00:00Z


def test_leases_as_old_as_the_backup_do_not_make_a_node_dead() -> None:
    restored = _leases(old="2026-11-01T00:00:00.000000Z", new="2026-11-01T00:00:00.000000Z")
    in_restore: dict[str, object] = {"fence_started": FENCE, "restored": {"run": MARK.run}}
    in_migration: dict[str, object] = {"fence_started": FENCE}
    # Asked before the fence, which of them lived: the others are not waited for.
    assert _waited_for(restored, {"live nodes": frozenset({"new"})}, in_restore) == {"new"}
    # Nobody could be asked: none that is silent is waited for, or one that is gone would keep the restore.
    assert _waited_for(restored, {}, in_restore) == set()
    assert _waited_for(restored, {}, in_migration) == set()


def test_the_fence_is_compared_in_the_time_of_the_hosts() -> None:
    leases = _leases(old="2026-11-28T10:59:30.000000Z", new="2026-11-28T10:50:00.000000Z")
    run = SimpleNamespace(cache={}, results={"fence_started": FENCE})
    assert dead_nodes(run, leases, FENCE, 3600.0) == {"new"}  # type: ignore[arg-type]
