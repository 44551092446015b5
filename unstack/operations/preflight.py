"""Preflight: every problem on every host in one pass, before anything is changed."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pyinfra import host, inventory, logger
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.api.host import Host

from unstack.facts.access import RootWithoutPassword, UserId
from unstack.facts.cluster import etcd_host_arguments, master_arguments
from unstack.facts.hosts import ObservedEtcdHost, ObservedMaster, ObservedMember
from unstack.manifest import ManifestError, read_etcd
from unstack.observations import MasterHost, MemberStatus
from unstack.operations.prepare import TEMPLATES
from unstack.placement import Phase
from unstack.preflight import Cluster, judge
from unstack.problems import Problem
from unstack.run import Run, etcd_hosts, masters, on_each, refusal

T = TypeVar("T")


@operation()
def examine(run: Run) -> Generator[StringCommand]:
    """
    Read all hosts and refuse the run, with every problem of every host, if any rule is broken.

    + run: this run

    Reads only. Works the same in a dry run.
    """
    acting = next(iter((*masters(), *etcd_hosts()))).name
    if host.name != acting:
        host.noop(f"all hosts are examined from {acting}")
        return
    cluster = read_cluster(run)
    problems = judge(cluster)
    if problems:
        raise refusal(problems)
    for name, status in cluster.stacked.items():
        if status.version.startswith(("3.5.0", "3.5.1", "3.5.2")) and len(status.version) == 5:
            logger.warning(f"    {name}: etcd {status.version} can lose writes when killed; moving on")
    if cluster.phase is Phase.EXTERNAL:
        logger.info("    Migrated already: every API server is on the external etcd. Nothing to do.")
    host.noop(f"no problem found; the cluster is {cluster.phase.value}")
    return
    yield


def read_cluster(run: Run) -> Cluster:
    """All that the rules ask for, all hosts at once; what can't be read is a problem of its own."""
    topology = run.topology
    unread = [
        Problem(
            name,
            "no connection",
            "every host reached over SSH",
            "check its power, address, SSH user and key (`pyinfra INVENTORY exec -- true`)",
        )
        for name in run.unreachable
    ]
    users = on_each((*masters(), *etcd_hosts()), _user)
    unread += [
        Problem(
            name,
            "commands do not run as root" if user is None else f"commands run as user {user}",
            "root, or sudo without a password or with _sudo_password",
            "set _sudo = True in group_data/all.py and allow the SSH user sudo",
        )
        for name, user in users.items()
        if user != "0"
    ]
    privileged = {name for name, user in users.items() if user == "0"}
    seen_masters = on_each(
        [one for one in masters() if one.name in privileged],
        lambda one: _get(one, ObservedMaster, **master_arguments(topology)),
    )
    seen_etcd = on_each(
        [one for one in etcd_hosts() if one.name in privileged],
        lambda one: _get(one, ObservedEtcdHost, **etcd_host_arguments(topology)),
    )
    unread += [
        Problem(name, "an unreadable host", "its state", "see the error above this line")
        for name, one in (*seen_masters.items(), *seen_etcd.items())
        if one is None
    ]
    cluster = Cluster(
        topology=topology,
        masters={name: one for name, one in seen_masters.items() if one is not None},
        etcd_hosts={name: one for name, one in seen_etcd.items() if one is not None},
        manifest_template=(TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text(encoding="utf-8"),
        unread=tuple(unread),
    )
    return _with_members(cluster)


def _user(one: Host) -> str | None:
    """The user by which commands run, asked so that pyinfra never waits for a password nobody types."""
    data = one.data.dict()
    by_sudo = not any(data.get(key) for key in ("_doas", "_dzdo", "_su_user", "_sudo_password"))
    if by_sudo and not sys.stdin.isatty() and not one.get_fact(RootWithoutPassword, _sudo=False):
        return None
    return _get(one, UserId)


def _with_members(cluster: Cluster) -> Cluster:
    if cluster.phase is Phase.STACKED:
        names = _stacked_names(cluster.masters)
        stacked = _ask(names, dict.fromkeys(names, 0))
        # One revision that all have: asked a second time, since writes go on meanwhile.
        common = min((one.revision for one in stacked.values() if one), default=0)
        stacked = _ask(names, dict.fromkeys(names, common)) if common else stacked
        silent = _silent(stacked, "stacked")
        answered = {name: one for name, one in stacked.items() if one is not None}
        return replace(cluster, stacked=answered, unread=(*cluster.unread, *silent))
    names = {name: name for name in cluster.etcd_hosts}
    external = _ask(names, dict.fromkeys(names, 0))
    answered = {name: one for name, one in external.items() if one is not None}
    unread = (*cluster.unread, *_silent(external, "external"))
    return replace(cluster, external=answered, unread=unread)


def _stacked_names(seen: Mapping[str, MasterHost]) -> dict[str, str]:
    names = {}
    for name, one in seen.items():
        try:
            names[name] = read_etcd(one.live.get("etcd", "")).name
        except ManifestError:
            continue  # a rule says so
    return names


def _ask(names: Mapping[str, str], revisions: Mapping[str, int]) -> dict[str, MemberStatus | None]:
    return on_each(
        [inventory.get_host(name) for name in names],
        lambda one: _get(one, ObservedMember, member=names[one.name], revision=revisions[one.name]),
    )


def _silent(answers: Mapping[str, MemberStatus | None], kind: str) -> list[Problem]:
    return [
        Problem(
            name,
            f"a {kind} etcd member that does not answer",
            "a healthy member",
            "look at the error above this line and at the member's log on this host",
        )
        for name, one in answers.items()
        if one is None
    ]


def _get(one: Host, fact: type[FactBase[T | None]], **arguments: Any) -> T | None:
    found: T | None = one.get_fact(fact, **arguments, _ignore_errors=True)
    return found
