"""All that preflight's rules ask for, all hosts at once, and which strategy follows from it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gevent.lock import RLock
from pyinfra import inventory
from pyinfra.api import FactBase
from pyinfra.api.host import Host

from unstack.api_access import api_access
from unstack.facts.access import RootWithoutPassword, UserId
from unstack.facts.api import ApiObject
from unstack.facts.cluster import etcd_host_arguments, master_arguments
from unstack.facts.hosts import ObservedCertificates, ObservedEtcdHost, ObservedMaster, ObservedMember
from unstack.facts.joining import read_joining
from unstack.manifest import ManifestError
from unstack.members import MemberStatus
from unstack.membership import membership_of
from unstack.observations import EtcdHost, MasterHost
from unstack.placement import Phase
from unstack.preflight import Cluster, asks_for_joining, contents_settled, strategy_by
from unstack.problems import Problem
from unstack.run import TEMPLATES, Run, etcd_hosts, masters, no_connection, on_each
from unstack.strategy import Strategy
from unstack.topology import MASTERS, Topology

T = TypeVar("T")

KUBEADM_CONFIG_LIST = "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dkubeadm-config"

# The API servers compact every five minutes; two compactions never fall into three seconds.
COMPARISONS = 3
COMPARISON_PAUSE_SECONDS = 1.0

# Several hosts' plans ask at once; one of them reads for all.
_READING = RLock()


def read_cluster(run: Run) -> Cluster:
    """All that the rules ask for, all hosts at once; what can't be read is a problem of its own."""
    topology = run.topology
    unread = [no_connection(name) for name in run.unreachable]
    reached = [*masters(), *etcd_hosts()]
    access = on_each(reached, _access_problem)
    unread += [problem for problem in access.values() if problem is not None]
    seen = on_each([one for one in reached if access[one.name] is None], lambda one: _observe(one, topology))
    unread += [
        Problem(name, "an unreadable host", "its state", "see the error above this line")
        for name, one in seen.items()
        if one is None
    ]
    cluster = Cluster(
        topology=topology,
        masters={name: one for name, one in seen.items() if isinstance(one, MasterHost)},
        etcd_hosts={name: one for name, one in seen.items() if isinstance(one, EtcdHost)},
        manifest_template=(TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text(encoding="utf-8"),
        unread=tuple(unread),
    )
    if cluster.phase is not Phase.EXTERNAL:
        cluster = with_kubeadm_config(_with_certificates(cluster))
    cluster = _with_stacked(cluster) if cluster.phase is Phase.STACKED else _with_external(cluster)
    if run.rehearses:
        return cluster  # what is rehearsed is the way of the snapshot
    if asks_for_joining(cluster):
        cluster = replace(cluster, joining=read_joining(cluster))
    # What the plan was made for stays, and is judged anew.
    return replace(cluster, strategy=run.cache.get("strategy") or strategy_by(cluster))


def planned_cluster(run: Run) -> Cluster:
    """`read_cluster`, once for all that ask while the plan is made."""
    with _READING:
        if "whole cluster" not in run.cache:
            run.cache["whole cluster"] = read_cluster(run)
        found: Cluster = run.cache["whole cluster"]
        return found


def _access_problem(one: Host) -> Problem | None:
    """Why commands do not run as root; None where they do."""
    user = _user(one)
    if user == "0":
        return None
    found = f"commands do not run as root, but as user {user}"
    if user is None:
        # Told apart from a host on which nothing runs at all.
        plain = _get(one, UserId, _sudo=False)
        because = "no command runs" if plain is None else f"sudo refuses user {plain}"
        found = f"commands do not run as root: {because}"
    return Problem(
        one.name,
        found,
        "root, or sudo without a password or with _sudo_password",
        "set _sudo = True in group_data/all.py and allow the SSH user sudo",
    )


def _user(one: Host) -> str | None:
    """The user by which commands run, asked so that pyinfra never waits for a password nobody types."""
    data = one.data.dict()
    by_sudo = not any(data.get(key) for key in ("_doas", "_dzdo", "_su_user", "_sudo_password"))
    if (
        by_sudo
        and not sys.stdin.isatty()
        and not one.get_fact(RootWithoutPassword, _sudo=False, _ignore_errors=True)
    ):
        return None
    return _get(one, UserId)


def _observe(one: Host, topology: Topology) -> MasterHost | EtcdHost | None:
    if MASTERS in one.groups:
        return _get(one, ObservedMaster, **master_arguments(topology))
    return _get(one, ObservedEtcdHost, **etcd_host_arguments(topology))


def _with_certificates(cluster: Cluster) -> Cluster:
    found = on_each(
        [inventory.get_host(name) for name in cluster.masters], lambda one: _get(one, ObservedCertificates)
    )
    unread = [
        Problem(name, "unreadable certificates", "kubeadm's", "see the error above this line")
        for name, one in found.items()
        if one is None
    ]
    certificates = {name: one for name, one in found.items() if one is not None}
    return replace(cluster, certificates=certificates, unread=(*cluster.unread, *unread))


def with_kubeadm_config(cluster: Cluster) -> Cluster:
    """kubeadm-config by the first API server that answers; behind a fence there may be none.

    Listed by its name: one that does not exist is an empty list, which is an answer.
    """
    for name, master in cluster.masters.items():
        here = cluster.placed(name)
        if here is None or not master.live.get("kube-apiserver") or not master.running("kube-apiserver"):
            continue
        try:
            access = api_access(here.manifest)
        except ManifestError:
            continue  # a rule of its own
        listed = _get(inventory.get_host(name), ApiObject, access=access, path=KUBEADM_CONFIG_LIST)
        if listed is not None:
            (found,) = listed.get("items") or [{}]
            text = (found.get("data") or {}).get("ClusterConfiguration") or ""
            return replace(cluster, kubeadm_config=text)
    return cluster


def _with_stacked(cluster: Cluster) -> Cluster:
    """The stacked members that answer, with their content."""
    names = _stacked_names(cluster)
    answered = _ask(names)
    silent = _silent({name for name in names if name not in answered}, "a stacked")
    return with_contents(replace(cluster, stacked=answered, unread=(*cluster.unread, *silent)), names)


def with_contents(cluster: Cluster, names: Mapping[str, str]) -> Cluster:
    """The stacked members' content at one revision that all have reached, once a compaction is over.

    `names`: {the inventory name of each member's host: its --name}.
    """
    compared, answered = cluster, dict(cluster.stacked)
    for attempt in range(COMPARISONS):
        if attempt:
            time.sleep(COMPARISON_PAUSE_SECONDS)
            answered = {**answered, **_ask({name: names[name] for name in answered})}
        # The least of them: every member has it, and writes go on meanwhile.
        common = min((one.revision for one in answered.values()), default=0)
        if not common:
            break
        contents = _ask({name: names[name] for name in answered}, common)
        compared = replace(compared, stacked={**answered, **contents}, compared_revision=common)
        if contents_settled(compared):
            break
    return compared


def _with_external(cluster: Cluster) -> Cluster:
    """The external members, and the stacked ones as long as they are one cluster with them.

    As long as they are, no external member has to answer here: one that was taken out, that learns or
    that stands still is what grow adds, promotes and starts again, and it looks at their health itself.
    Nor has one afterwards until the migration is confirmed: it is restarting, or settle starts it again.
    """
    settles = cluster.phase is Phase.EXTERNAL and cluster.under_way is Strategy.LIVE
    names = _stacked_names(cluster)
    stacked = _ask(names) if cluster.has_joined else {}
    seen = membership_of(stacked.values())
    listed = seen.external(cluster.topology) if seen is not None else {}
    # A learner refuses what is asked here.
    voting = {name for name, one in listed.items() if not one.is_learner}
    answered = _ask({name: name for name in cluster.etcd_hosts if not listed or name in voting})
    excused = listed or (settles and answered)
    silent = set() if excused else set(cluster.etcd_hosts) - set(answered)
    cluster = replace(
        cluster,
        stacked=stacked if listed else {},
        external=answered,
        unread=(*cluster.unread, *_silent(silent, "an external")),
    )
    if cluster.under_way is not Strategy.LIVE or cluster.phase is not Phase.CUTTING_OVER:
        return cluster
    # API servers are on members of both kinds: one cluster, by what each of them says itself.
    stacked = stacked or _ask(names)
    return replace(
        cluster, stacked=stacked, unread=(*cluster.unread, *_silent(set(names) - set(stacked), "a stacked"))
    )


def _stacked_names(cluster: Cluster) -> dict[str, str]:
    """{master: its stacked member's --name}; a missing manifest is a rule of its own."""
    return {name: manifest.name for name in cluster.masters if (manifest := cluster.etcd_manifest(name))}


def _ask(names: Mapping[str, str], revision: int = 0) -> dict[str, MemberStatus]:
    """The members that answer, by the inventory name of their host. `names`: {that: --name}.

    For what they hold at a revision they are asked one after the other: a member applies no write while
    it makes its hash, which with a large database clients notice, and all at once would stop all of them.
    """
    hosts = [inventory.get_host(name) for name in names]
    answers: dict[str, MemberStatus | None] = {}
    for turn in [[one] for one in hosts] if revision else [hosts]:
        answers |= on_each(
            turn,
            lambda one: _get(one, ObservedMember, member=names[one.name], revision=revision, is_serving=True),
        )
    return {name: one for name, one in answers.items() if one is not None}


def _silent(names: set[str], kind: str) -> list[Problem]:
    return [
        Problem(
            name,
            f"{kind} etcd member that does not answer",
            "a healthy member",
            "look at the error above this line and at the member's log on this host",
        )
        for name in names
    ]


def _get(one: Host, fact: type[FactBase[T | None]], **arguments: Any) -> T | None:
    found: T | None = one.get_fact(fact, **arguments, _ignore_errors=True)
    return found
