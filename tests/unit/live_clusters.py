"""Clusters of stacked and external members, as `LiveCluster`, for tests that decide about them."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.cluster import APISERVER, ETCD, EXTERNAL, edited, master, topology
from unstack.live import LiveCluster
from unstack.members import ListedMember, MemberStatus
from unstack.membership import Membership
from unstack.observations import MasterHost, Process

STACKED = ("master-1", "master-2", "master-3")
ADDED = ("etcd-1", "etcd-2", "etcd-3")
IDS = {name: number for number, name in enumerate((*STACKED, *ADDED), 1)}
ADDRESSES = {one.name: one.address for one in (*topology().masters, *topology().members)}


def listed_member(name: str, *, is_learner: bool = False) -> ListedMember:
    return ListedMember(IDS[name], name, (f"https://{ADDRESSES[name]}:2380",), (), is_learner)


def switched_master(name: str) -> MasterHost:
    one = master()
    manifest = ETCD.replace(_peer_url(ETCD), f"https://{ADDRESSES[name]}:2380")
    live = {**edited("https://127.0.0.1:2379", EXTERNAL), "etcd": manifest}
    running = Process(10, 1, ("kube-apiserver", f"--etcd-servers={EXTERNAL}"))
    return replace(one, live=live, processes=(running, *one.processes[1:]))


def unswitched_master(name: str) -> MasterHost:
    switched = switched_master(name)
    live = {**switched.live, "kube-apiserver": APISERVER}
    return replace(switched, live=live, processes=master().processes)


def _peer_url(manifest: str) -> str:
    (line,) = (line for line in manifest.splitlines() if "--initial-advertise-peer-urls=" in line)
    return line.partition("=")[2]


def live_cluster(
    *names: str,
    dead: tuple[str, ...] = (),
    learner: str = "",
    leader: str = "master-1",
    **masters: MasterHost,
) -> LiveCluster:
    """A cluster of these members on masters that were all switched."""
    listed = tuple(listed_member(name, is_learner=name == learner) for name in names)
    statuses: dict[str, MemberStatus | None] = {
        name: None if name in dead else _status(name, IDS[leader], listed, is_learner=name == learner)
        for name in names
    }
    seen = {name: masters.get(name.replace("-", "_"), switched_master(name)) for name in STACKED}
    return LiveCluster(topology(), seen, statuses, Membership(listed))


def _status(
    name: str, leader: int, members: tuple[ListedMember, ...], *, is_learner: bool = False
) -> MemberStatus:
    return MemberStatus(
        cluster_id=1,
        member_id=IDS[name],
        version="3.5.30",
        revision=100,
        database_bytes=1,
        leader=leader,
        raft_term=2,
        is_healthy=not is_learner,
        members=members,
        alarms=(),
        content=None,
        is_learner=is_learner,
    )
