"""What must hold before a backup is restored into the external cluster; plain functions of what was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unstack.backup import Backup, BackupError
from unstack.observations import COMPONENTS, MasterHost, MemberData
from unstack.placement import Placement
from unstack.preflight import Cluster, control_plane
from unstack.preflight import etcd_hosts as hosts
from unstack.problems import Problem
from unstack.restoring import Restoring
from unstack.versions import EtcdVersion

# etcd#16165: --bump-revision and --mark-compacted.
OLDEST_WITH_BUMP = EtcdVersion(3, 5, 10)
WAL_BYTES = 64 * 2**20  # etcd makes a new one as large at once
# Those of a migration that a restore needs too.
RULES = (
    hosts.clocks_agree,
    hosts.engine_and_compose_work,
    hosts.container_name_is_free,
    control_plane.manifests_are_kubeadms,
    control_plane.curl_is_there,
    control_plane.manifests_can_be_renamed_away,
    control_plane.no_rollback_is_unfinished,
)


def begun(masters: Iterable[MasterHost]) -> Restoring | None:
    """The restore that a killed run has begun, by the masters' marks; None where none is."""
    marks = [one.restoring for one in masters if one.restoring]
    # A kill may have left some marked as in use and others not yet: then it may have been used.
    return max(marks, key=lambda mark: mark.in_use, default=None)


def is_placed(observed: MemberData, mark: Restoring | None) -> bool:
    """True where a member's data is what this restore has made."""
    restored = observed.restored if observed.has_data else None
    return mark is not None and restored is not None and restored.run == mark.run


def problems(
    cluster: Cluster, backup: Backup | BackupError | None, mark: Restoring | None
) -> Iterator[Problem]:
    """Everything that keeps this backup from being restored into this cluster.

    + cluster: masters and etcd hosts, as read
    + backup: what was found at the given path; None where none was given
    + mark: the restore that is under way
    """
    yield from _backup_problems(cluster, backup, mark)
    yield from _placement_problems(cluster, mark)
    for rule in RULES:
        yield from rule(cluster)
    yield from _host_problems(cluster, backup.bytes if isinstance(backup, Backup) else 0, mark)


def _backup_problems(
    cluster: Cluster, backup: Backup | BackupError | None, mark: Restoring | None
) -> Iterator[Problem]:
    settings = cluster.topology.settings
    if settings.version < OLDEST_WITH_BUMP:
        yield Problem(
            "group_data",
            f"etcd_image {settings.etcd_image} (etcd {settings.version})",
            f"{OLDEST_WITH_BUMP} or newer, which can bump revisions",
            "upgrade the members first",
        )
    if backup is None:
        yield Problem(
            "command line",
            "no backup to restore",
            "a file on this control node, written by `etcdctl snapshot save`",
            "add --data backup=FILE",
        )
        return
    if isinstance(backup, BackupError):
        yield Problem("control node", backup.found, backup.expected, "choose another one, or copy it again")
        return
    if backup.version.minor_series != settings.version.minor_series:
        found, wanted = (".".join(map(str, v.minor_series)) for v in (backup.version, settings.version))
        yield Problem(
            "control node",
            f"{backup.path}, a backup of etcd {found}",
            f"one of etcd {wanted}, the members' minor version: etcd restores no other (etcd#13070)",
            "choose a backup of that version",
        )
    if mark is not None and mark.sha256 != backup.sha256:
        copy = f"{settings.etcd_data_directory}/snapshot-{mark.run}.db"
        yield Problem(
            "control node",
            f"{backup.path} with sha256 {backup.sha256}, while run {mark.run} has begun to restore another"
            " backup and not finished",
            f"that one, with sha256 {mark.sha256}",
            f"give that file; the etcd hosts have it too, as {copy}",
        )


def _placement_problems(cluster: Cluster, mark: Restoring | None) -> Iterator[Problem]:
    places = {name: here.placement for name in cluster.masters if (here := cluster.placed(name))}
    if places and Placement.EXTERNAL not in places.values():
        yield Problem(
            "cluster",
            "a cluster that is not migrated",
            "every master on the external etcd",
            "restore a stacked etcd by etcd's and kubeadm's own guides",
        )
        return
    for name, where in places.items():
        found = _unfinished(cluster.masters[name], where)
        if found and mark is None:
            yield Problem(
                name,
                f"a migration that is not finished: {found}",
                "a whole control plane on the external etcd",
                "finish it by deploy.py, or go back by tasks/rollback.py",
            )


def _unfinished(one: MasterHost, where: Placement) -> str:
    if where is not Placement.EXTERNAL:
        return "the API server is on the stacked etcd"
    away = [name for name in COMPONENTS if name not in one.live]
    if away:
        return f"no {', '.join(away)} in place"
    return "the stacked etcd's manifest is in place" if "etcd" in one.live else ""


def _host_problems(cluster: Cluster, backup_bytes: int, mark: Restoring | None) -> Iterator[Problem]:
    settings = cluster.topology.settings
    # The copy and what is restored of it, beside the present data, which is kept.
    wanted = 2 * backup_bytes + WAL_BYTES
    compose = f"{settings.etcd_config_directory}/docker-compose.yaml"
    for name, one in cluster.etcd_hosts.items():
        if one.engine is not None and not one.has_image:
            yield Problem(name, f"no image {settings.etcd_image}", "the members' image", "pull it there")
        if compose not in one.sha256:
            yield Problem(
                name, f"no {compose}", "the member's", "make it as docs/day2.md says for a replaced member"
            )
        if one.restored is not None and one.restored.cluster != settings.cluster:
            yield Problem(
                name,
                f"the member of the cluster {one.restored.cluster}",
                f"one of {settings.cluster}",
                "correct the inventory",
            )
        if mark is None and one.free_bytes < wanted:
            yield Problem(
                name,
                f"{one.free_bytes / 2**20:.0f} MiB free for {settings.etcd_data_directory}",
                f"at least {wanted / 2**20:.0f} MiB",
                "run tasks/clean.py, or use a larger disk",
            )
