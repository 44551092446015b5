"""A healthy cluster as preflight would have read it, for tests that break one thing of it.

The fields are put together by name, so the type checker can't see their types: a wrong one fails
in the rules that the tests run.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from unstack.joining import CONNECTED, REFUSED, Connection, JoiningReadings
from unstack.members import Content, ListedMember, MemberStatus
from unstack.observations import EtcdHost, MasterHost, Process, Restored, initial_cluster_token
from unstack.pki.certificates import certificate_pem, new_authority, new_key
from unstack.preflight import Cluster
from unstack.settings import AuthoritySettings
from unstack.stacked_authority import StackedAuthority
from unstack.topology import HostInput, Topology, read_topology

MANIFESTS = Path(__file__).parent / "manifests"
TEMPLATES = Path(__file__).parents[2] / "templates"
APISERVER = (MANIFESTS / "kube-apiserver.yaml").read_text()
ETCD = (MANIFESTS / "etcd.yaml").read_text()
ADDRESSES = {
    **{f"master-{number}": f"172.30.0.1{number}" for number in (1, 2, 3)},
    **{f"etcd-{number}": f"172.30.0.3{number}" for number in (1, 2, 3)},
}
_KEY = new_key(AuthoritySettings().key)
_CA = new_authority(AuthoritySettings(), _KEY, datetime.now(timezone.utc)).certificate
# The CA of the stacked etcd as each master has it.
CA = StackedAuthority("/etc/kubernetes/pki/etcd/ca.crt", certificate_pem(_CA), has_key=True)
CONTENT = Content(100, 4711, 50, 333, frozenset({1, 2}), frozenset(), frozenset())


def topology(**settings: object) -> Topology:
    """Three masters and three external members; settings as in group_data."""
    data = {"cluster": "test", "etcd_image": "etcd:v3.5.30", **settings}
    return read_topology(
        HostInput(
            name,
            frozenset({"masters" if name.startswith("master") else "etcd"}),
            {**data, "address": address},
        )
        for name, address in ADDRESSES.items()
    )


def master(**changes: object) -> MasterHost:
    """A healthy master with stacked etcd."""
    fields: dict[str, object] = {
        "is_root": True,
        "live": {
            "kube-apiserver": APISERVER,
            "kube-controller-manager": "kind: Pod",
            "kube-scheduler": "kind: Pod",
            "etcd": ETCD,
        },
        "fenced": {},
        "kept": {},
        "is_returning": False,
        "confirmed": None,
        "decommissioning": None,
        "decommissioned": None,
        "has_restore_tool": False,
        "prepared": None,
        "snapshot": None,
        "processes": (
            Process(10, 1, ("kube-apiserver", "--etcd-servers=https://127.0.0.1:2379")),
            Process(11, 1, ("kube-controller-manager",)),
            Process(12, 1, ("kube-scheduler",)),
        ),
        "same_filesystem": True,
        "has_curl": True,
        "free_bytes": 10 * 2**30,
        "clock_offset_seconds": 0.01,
    }
    return MasterHost(**{**fields, **changes})  # type: ignore[arg-type]


def fenced_master(apiserver: str = APISERVER, **changes: object) -> MasterHost:
    """A master whose control plane is kept aside; its stacked etcd runs."""
    whole = master().live
    return master(
        **{
            "live": {"etcd": whole["etcd"]},
            "fenced": {**{n: t for n, t in whole.items() if n != "etcd"}, "kube-apiserver": apiserver},
            "processes": (),
            **changes,
        }
    )


def etcd_host(**changes: object) -> EtcdHost:
    """A host that is ready for a member."""
    fields: dict[str, object] = {
        "is_root": True,
        "engine": "20.10.24",
        "compose": ("docker compose",),
        "has_image": True,
        "container": None,
        "container_is_ours": False,
        "listening": frozenset(),
        "free_bytes": 10 * 2**30,
        "has_data": False,
        "restored": None,
        "has_rehearsal": False,
        "foreign": (),
        "sha256": {},
        "clock_offset_seconds": -0.01,
    }
    return EtcdHost(**{**fields, **changes})  # type: ignore[arg-type]


def member(number: int, **changes: object) -> MemberStatus:
    """A healthy stacked member, number 1 to 3; number 1 leads."""
    listed = tuple(
        ListedMember(one, f"m{one}", (f"https://172.30.0.1{one}:2380",), (), False) for one in (1, 2, 3)
    )
    fields: dict[str, object] = {
        "cluster_id": 1,
        "member_id": number,
        "version": "3.5.1",
        "revision": 100,
        "database_bytes": 20 * 2**20,
        "leader": 1,
        "raft_term": 4,
        "is_healthy": True,
        "members": listed,
        "alarms": (),
        "content": CONTENT,
    }
    return MemberStatus(**{**fields, **changes})  # type: ignore[arg-type]


def cluster(**changes: object) -> Cluster:
    """A healthy cluster; `changes` replace its parts."""
    fields: dict[str, object] = {
        "topology": topology(),
        "masters": {f"master-{number}": master() for number in (1, 2, 3)},
        "etcd_hosts": {f"etcd-{number}": etcd_host() for number in (1, 2, 3)},
        "stacked": {f"master-{number}": member(number) for number in (1, 2, 3)},
        "compared_revision": 100,
        "manifest_template": (TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text(),
    }
    return Cluster(**{**fields, **changes})  # type: ignore[arg-type]


def joining(**changes: object) -> JoiningReadings:
    """What live needs, all as it should be; `changes` replace its parts."""
    old = tuple(Connection(f"172.30.0.1{number}", 2380, CONNECTED, 0.0004) for number in (1, 2, 3))
    new = tuple(Connection(f"172.30.0.3{number}", 2380, REFUSED, 0.0006) for number in (1, 2, 3))
    fields: dict[str, Any] = {
        "authorities": {f"master-{number}": CA for number in (1, 2, 3)},
        "connections": {
            **{f"master-{number}": new for number in (1, 2, 3)},
            **{f"etcd-{number}": old for number in (1, 2, 3)},
        },
        "sync_seconds": {f"etcd-{number}": (0.001,) * 31 + (0.3,) for number in (1, 2, 3)},
    }
    return JoiningReadings(**{**fields, **changes})


def external_member(number: int, *, is_learner: bool = False, started: bool = True) -> ListedMember:
    """An external member as the cluster lists it that it has joined."""
    url = f"https://172.30.0.3{number}:2380"
    return ListedMember(30 + number, f"etcd-{number}" if started else "", (url,), (), is_learner)


def joined(*external: ListedMember, left: int = 0) -> dict[str, MemberStatus]:
    """The stacked members of a live migration under way, `left` of which have left."""
    listed = (*(member(1).members or ())[left:], *external)
    return {f"master-{number}": member(number, members=listed) for number in range(1 + left, 4)}


OURS = Restored("20261124T000000Z", "ab", 100, initial_cluster_token("test", "20261124T000000Z"), "cd")
# The client URLs of the external cluster.
EXTERNAL = "https://172.30.0.31:2379,https://172.30.0.32:2379,https://172.30.0.33:2379"


def edited(old: str, new: str) -> dict[str, str]:
    """The manifests of a master with other words in that of its API server."""
    assert old in APISERVER
    return {**master().live, "kube-apiserver": APISERVER.replace(old, new)}
