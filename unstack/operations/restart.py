"""Members and API servers in use, restarted one after the other with nothing missing meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pyinfra import host, inventory

from unstack.api_access import api_access
from unstack.facts.api import ApiObject
from unstack.facts.cluster import observe_master, observe_masters, placed
from unstack.facts.hosts import ObservedMember
from unstack.facts.trust import ca_files, has_read, note_of
from unstack.guard import Commands, is_executing, step
from unstack.lead import move_lead
from unstack.manifest import ApiServerManifest
from unstack.members import MemberStatus
from unstack.mirror_pods import API_SERVER_PODS, PODS, api_server_pod
from unstack.operations.cutover import await_arguments
from unstack.operations.start import compose_words
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.run import Run, etcd_hosts, masters, on_each, read, refusal
from unstack.scripts import script
from unstack.trust import member_problems, successor

# API servers connect to a restarted member again at once, after 1 s and after 1.6 s more (gRPC's
# backoff). The next member may go once they have: else they are left with one, or with none.
RECONNECT_SECONDS = 5.0
# What is well answers at once.
ANSWER_SECONDS = 10.0
POLL_SECONDS = 0.5


@step
def restart_member(run: Run, name: str, dropping: bool) -> Commands:
    """
    Restart one member, which then trusts what its CA file holds. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is
    + dropping: in the second round, in which the old CA is dropped

    All members are healthy before and after; a leader hands its lead over first.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    if has_read(host, run, dropping):
        host.noop("this member has read its CA file as it is")
        return
    settings = run.topology.settings
    if is_executing():
        hand_over(run, name, healthy_members(run))
    yield script("restart-member", note_of(run), ca_files(run)[name], name, settings.etcd_container)
    yield script(
        "start",
        settings.etcd_config_directory,
        name,
        str(int(settings.start_timeout_seconds)),
        settings.etcd_container,
        *compose_words(run),
    )
    time.sleep(RECONNECT_SECONDS)
    healthy_members(run)


def hand_over(run: Run, name: str, statuses: Mapping[str, MemberStatus]) -> None:
    """Have the member `name` give the lead to another one, where it leads."""
    heir = successor(name, statuses, [one.name for one in run.topology.members])
    if heir is not None:
        move_lead(run, name, name, heir)


@step
def restart_api_server(run: Run, name: str, dropping: bool) -> Commands:
    """
    Restart one API server, which then trusts what its CA file holds. Every host calls it, `name` acts.

    + run: this run
    + name: whose turn it is
    + dropping: in the second round, in which the old CA is dropped

    All API servers are ready before, and the load balancer has time to see that this one is again.
    """
    if host.name != name:
        host.noop(f"it is the turn of {name}")
        return
    if has_read(host, run, dropping):
        host.noop("this API server has read its CA file as it is")
        return
    settings = run.topology.settings
    waking: tuple[str, ...] = ()
    if is_executing():
        healthy_members(run)
        waking = _waking(name, await_api_servers(run, ANSWER_SECONDS), settings.ready_timeout_seconds)
    grace, limit = settings.apiserver_grace_seconds, settings.fence_timeout_seconds
    yield script(
        "restart-apiserver", note_of(run), ca_files(run)[name], str(int(grace)), str(int(grace + limit))
    )
    yield script("wake-kubelet", *waking)
    # Read now: whoever edits it meanwhile has kubelet start the API server by the new one.
    manifest = placed(name, observe_master(host, run.topology), run.topology).manifest
    yield script("await-apiserver", *await_arguments(manifest, settings.ready_timeout_seconds))
    time.sleep(settings.load_balancer_seconds)


def _waking(name: str, manifests: Mapping[str, ApiServerManifest], seconds: float) -> tuple[str, ...]:
    """The arguments of wake-kubelet.sh: whom this master asks while its own API server is away.

    Masters reach each other's API servers: each stands behind the `kubernetes` service with its address.
    With one master, or without its mirror pod, nobody is asked.
    """
    access = api_access(manifests[name])
    listed = read([inventory.get_host(name)], ApiObject, access=access, path=API_SERVER_PODS)[name]
    pod = api_server_pod(listed, manifests[name].advertise_address)
    others = [api_access(one).url for other, one in manifests.items() if other != name and pod is not None]
    return (access.ca, access.certificate, access.key, f"{PODS}/{pod}", str(int(seconds)), *others)


def await_api_servers(run: Run, seconds: float) -> dict[str, ApiServerManifest]:
    """Wait until every API server is ready: {inventory name: the manifest it runs by}.

    Raises OperationError, naming one that is not in time.
    """
    manifests = {
        name: placed(name, one, run.topology).manifest for name, one in observe_masters(run.topology).items()
    }
    on_each(
        masters(),
        lambda one: run_script(one, "await-apiserver", *await_arguments(manifests[one.name], seconds)),
    )
    return manifests


def await_members(run: Run, seconds: float) -> list[Problem]:
    """What is wrong with the external members, at the latest after so long; nothing once all are well."""
    deadline = time.monotonic() + seconds
    while (problems := member_problems(_ask_members(run), run.topology)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return problems


def _ask_members(run: Run) -> dict[str, MemberStatus | None]:
    return on_each(
        etcd_hosts(), lambda one: one.get_fact(ObservedMember, member=one.name, _ignore_errors=True)
    )


def healthy_members(run: Run) -> dict[str, MemberStatus]:
    """Every member as it is. Raises OperationError, all problems shown, unless all are well."""
    statuses = _ask_members(run)
    problems = member_problems(statuses, run.topology)
    if problems:
        raise refusal(problems, "Nothing more was restarted.")
    return {name: one for name, one in statuses.items() if one is not None}
