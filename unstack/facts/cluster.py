"""The cluster as its hosts show it now: the facts of many hosts, read at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gevent.lock import RLock
from pyinfra import inventory
from pyinfra.api import FactBase
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.hosts import (
    ObservedEtcdHost,
    ObservedMaster,
    ObservedMember,
    ObservedMemberData,
    ObservedOwnContent,
)
from unstack.guard import is_executing
from unstack.manifest import ManifestError, read_etcd
from unstack.members import MemberStatus
from unstack.observations import EtcdHost, MasterHost, MemberData, Snapshot
from unstack.placement import Phase, Placed, phase_of, place
from unstack.run import Run, etcd_hosts, masters, on_each, read
from unstack.topology import Topology

# Several hosts' operations ask at once; one of them reads for all.
_READING = RLock()


def master_arguments(topology: Topology) -> dict[str, Any]:
    """What `ObservedMaster` asks for."""
    settings = topology.settings
    return {
        "manifests_directory": settings.manifests_directory,
        "kept_directory": settings.kept_directory,
        "state_directory": settings.state_directory,
    }


def etcd_host_arguments(topology: Topology) -> dict[str, Any]:
    """What `ObservedEtcdHost` asks for."""
    settings = topology.settings
    return {
        "data_directory": settings.etcd_data_directory,
        "config_directory": settings.etcd_config_directory,
        "image": settings.etcd_image,
        "container": settings.etcd_container,
        "ports": (
            settings.etcd_client_port,
            settings.etcd_peer_port,
            settings.etcd_metrics_port,
        ),
    }


def observe_masters(topology: Topology) -> dict[str, MasterHost]:
    """{inventory name: MasterHost}. Raises OperationError where one can't be read."""
    return read(masters(), ObservedMaster, **master_arguments(topology))


def observe_master(host: Host, topology: Topology) -> MasterHost:
    """This master. Raises OperationError where it can't be read."""
    return read([host], ObservedMaster, **master_arguments(topology))[host.name]


def observe_etcd_hosts(topology: Topology) -> dict[str, EtcdHost]:
    """{inventory name: EtcdHost}. Raises OperationError where one can't be read."""
    return read(etcd_hosts(), ObservedEtcdHost, **etcd_host_arguments(topology))


def observe_member_data(hosts: Iterable[Host], topology: Topology) -> dict[str, MemberData]:
    """{inventory name: MemberData}. Raises OperationError where one can't be read."""
    settings = topology.settings
    return read(
        hosts,
        ObservedMemberData,
        data_directory=settings.etcd_data_directory,
        container=settings.etcd_container,
    )


def placed(host_name: str, observed: MasterHost, topology: Topology) -> Placed:
    """Where a master stands. Raises OperationError where its manifest can't be read."""
    try:
        return place(observed, topology)
    except ManifestError as error:
        raise OperationError(f"{host_name}: {error}") from None


def cluster_phase(topology: Topology, observed: Mapping[str, MasterHost]) -> Phase:
    """Where the cluster stands. Raises OperationError where a master's manifest can't be read."""
    return phase_of(placed(name, one, topology).placement for name, one in observed.items())


def stacked_name(host_name: str, observed: MasterHost) -> str:
    """The stacked member's own --name, which need not be the inventory's name of its host."""
    text = observed.live.get("etcd")
    if text is None:
        raise OperationError(
            f"{host_name}: found no etcd.yaml in the static pod directory; expected the stacked etcd's;"
            " to do: put it back (kept in the kept directory's stacked/)"
        )
    try:
        return read_etcd(text).name
    except ManifestError as error:
        raise OperationError(f"{host_name}: {error}") from None


def read_member(host: Host, member: str, revision: int = 0, *, whole: bool = True) -> MemberStatus:
    """The etcd member of this --name on a host; `whole` as in `unstack.members`.

    Raises OperationError where it does not answer.
    """
    fact: type[FactBase[MemberStatus | None]] = ObservedMember if whole else ObservedOwnContent
    status: MemberStatus | None = host.get_fact(fact, member=member, revision=revision, _ignore_errors=True)
    if status is None:
        raise OperationError(
            f"{host.name}: found no answer of the etcd member {member}; expected one; to do: look at its log"
        )
    return status


def read_stacked_content(run: Run, name: str, *, anew: bool = False) -> MemberStatus:
    """A master's stacked member with its content at the snapshot's revision, read once a run, or `anew`.

    At a revision that has passed a member's content does not change any more, so it may be read
    at any time between the snapshot and the proof.
    """
    key = f"stacked content of {name}"
    if anew or key not in run.cache:
        masters_seen = known_masters(run)
        _, snapshot = snapshot_taken(masters_seen)
        run.cache[key] = read_member(
            inventory.get_host(name),
            stacked_name(name, masters_seen[name]),
            snapshot.revision,
            whole=name == run.lead(),
        )
    status: MemberStatus = run.cache[key]
    return status


def note_stacked_content(run: Run, name: str, status: MemberStatus) -> None:
    """What the proof is to expect of a master's stacked member, in the place of what was read."""
    run.cache[f"stacked content of {name}"] = status


def external_members(topology: Topology, revision: int = 0) -> dict[str, MemberStatus]:
    """The external members by name, the first of them asked for the whole cluster's lists too.

    Raises OperationError where one does not answer.
    """
    lead = topology.members[0].name
    return on_each(etcd_hosts(), lambda one: read_member(one, one.name, revision, whole=one.name == lead))


def snapshot_taken(observed: Mapping[str, MasterHost]) -> tuple[str, Snapshot]:
    """(master, snapshot): the newest snapshot that lies on a master.

    Raises OperationError where none has been taken.
    """
    taken = [(one.snapshot.run, name, one.snapshot) for name, one in observed.items() if one.snapshot]
    if not taken:
        raise OperationError(
            "found no snapshot on any master; expected this run's; to do: run tasks/snapshot.py first"
        )
    _, name, snapshot = max(taken, key=lambda item: item[0])
    return name, snapshot


def known_masters(run: Run) -> dict[str, MasterHost]:
    """The masters as they stand while nothing of this run changes them: {inventory name: MasterHost}.

    Read once while the plan is made, and once between two operations that change them, since
    every reading inside the outage is part of it; `forget_masters` ends that time.
    """
    key = "masters" if is_executing() else "masters while planning"
    with _READING:
        if key not in run.cache:
            run.cache[key] = observe_masters(run.topology)
        seen: dict[str, MasterHost] = run.cache[key]
        # With -y pyinfra makes no plan: what stood at first is then read as the run begins.
        run.cache.setdefault("masters at first", seen)
        return seen


def known_member_data(run: Run) -> dict[str, MemberData]:
    """The external members' data before any of them is started, read once: {inventory name: MemberData}."""
    key = "member data" if is_executing() else "member data while planning"
    with _READING:
        if key not in run.cache:
            run.cache[key] = observe_member_data(etcd_hosts(), run.topology)
        seen: dict[str, MemberData] = run.cache[key]
        return seen


def known_etcd_hosts(run: Run) -> dict[str, EtcdHost]:
    """The external members' hosts as they stood before this run's first change: {inventory name: EtcdHost}.

    Read once while the plan is made and once in the run: asking an engine and compose takes most of
    a second. Each of its fields is used by the one operation that changes it.
    """
    key = "etcd hosts" if is_executing() else "etcd hosts while planning"
    with _READING:
        if key not in run.cache:
            run.cache[key] = observe_etcd_hosts(run.topology)
        seen: dict[str, EtcdHost] = run.cache[key]
        return seen


def is_migrated(run: Run) -> bool:
    """True where a master is on the external cluster.

    What prepares a migration must then leave that cluster alone: a setting that was changed since
    is for whoever restarts its members one by one.
    """
    return cluster_phase(run.topology, known_masters(run)) is not Phase.STACKED


def forget_masters(run: Run) -> None:
    """What was read of the masters no longer holds: an operation is about to change them."""
    run.cache.pop("masters", None)
