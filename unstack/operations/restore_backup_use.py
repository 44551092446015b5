"""The restored data in its place, proven, and then in use."""

from __future__ import annotations

import time

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.api_access import ApiAccess, api_access
from unstack.facts.api import ApiObject, FirstWatchAnswer
from unstack.facts.cluster import (
    external_members,
    known_masters,
    observe_master,
    observe_member_data,
    placed,
)
from unstack.facts.hosts import ObservedOwnContent
from unstack.guard import Commands, action, is_executing, step
from unstack.members import MemberStatus
from unstack.operations.cutover import access_of, await_arguments, controllers_arguments, cutover_arguments
from unstack.operations.restore_backup import mark_of
from unstack.operations.start import start_arguments
from unstack.problems import Problem
from unstack.proof import Proof
from unstack.restore_rules import is_placed
from unstack.restoring import Restoring
from unstack.run import Run, read, refusal
from unstack.scripts import script

# Everything an API server keeps a cache of would do; ConfigMaps are everywhere.
WATCH = "/api/v1/configmaps?watch=true&timeoutSeconds=10&resourceVersion="
NODES = "/api/v1/nodes"
GONE = 410  # the status by which an API server tells a watch to list anew


@step
def place_restored(run: Run) -> Commands:
    """
    Stop the member, and put the restored data in place of its own, which is kept as `previous-<run>`.

    + run: this run
    """
    topology, settings, mark = run.topology, run.topology.settings, mark_of(run)
    observed = observe_member_data([host], topology)[host.name]
    if is_placed(observed, mark):
        host.noop("this member has its restored data in place")
        return
    if is_executing() and mark is not None:
        _refuse_low_bump(run, mark)
    if observed.container not in ("", "exited", "created"):
        yield script("stop-member", settings.etcd_container)
    yield script("place-data", settings.etcd_data_directory, run.id if mark is None else mark.run)


def _refuse_low_bump(run: Run, mark: Restoring) -> None:
    """Behind the fence nobody sees a higher revision any more."""
    status: MemberStatus | None = host.get_fact(
        ObservedOwnContent, member=host.name, revision=0, _ignore_errors=True
    )
    if status is None:
        return
    run.cache["highest revision"] = max(run.cache.get("highest revision", 0), status.revision)
    if status.revision >= mark.restored_revision:
        raise OperationError(
            f"{host.name}: found revision {status.revision}; expected less than {mark.restored_revision}, at"
            " which the restored data begins; to do: find who writes so much, then run again"
        )


@step
def start_restored(run: Run) -> Commands:
    """
    Start this member on the restored data, and wait until it serves with a quorum.

    + run: this run
    """
    yield script("start", *start_arguments(run))


@step
def prove_restored(run: Run) -> Commands:
    """
    Compare HashKV, compact revision and keys of every member at the restored revision.

    + run: this run

    Also that they are one healthy cluster of the members of the inventory, without an alarm: a backup
    may hold one. No API server was started on the restored data by then.
    """
    mark = mark_of(run)
    if host.name == run.lead() and is_executing() and mark is not None and not mark.in_use:
        members = external_members(run.topology, mark.restored_revision)
        problems = list(_differences(run, mark, members))
        if problems:
            raise refusal(problems, "No API server was started on the restored data.")
        contents = {name: one.content for name, one in members.items() if one.content}
        run.journal.record(
            "restored members",
            revision=mark.restored_revision,
            members=[f"{name}: HashKV {one.hash}, {one.keys} keys" for name, one in contents.items()],
        )
    host.noop("every member holds the same")
    return
    yield


def _differences(run: Run, mark: Restoring, members: dict[str, MemberStatus]) -> list[Problem]:
    found = {
        name: None
        if one.content is None
        else (one.content.hash, one.content.compact_revision, one.content.keys)
        for name, one in members.items()
    }
    first = run.topology.members[0].name
    problems = [
        Problem(
            name,
            f"HashKV, compact revision and keys {content} at revision {mark.restored_revision}",
            f"{found[first]} as on {first}, compacted at {mark.restored_revision}",
            "run the same command again; if it repeats, check that host's disk",
        )
        for name, content in found.items()
        if content is None or content != found[first] or content[1] != mark.restored_revision
    ]
    expected = {(one.name, (one.peer_url,)) for one in run.topology.members}
    return [*problems, *Proof(mark.restored_revision, {}, members).membership_problems(expected)]


@step
def mark_in_use(run: Run) -> Commands:
    """
    Mark this master: from here on the restored data may hold acknowledged writes, and is kept.

    + run: this run
    """
    mark = mark_of(run)
    if is_executing() and mark is not None:
        run.results["restored data is in use"] = True
    used = "" if mark is None else Restoring(mark.run, mark.sha256, mark.revision, mark.bump, True).text()
    yield script("mark-restoring", run.topology.settings.kept_directory, used)


@step
def start_control_plane(run: Run) -> Commands:
    """
    Put the manifests back, wait until the API server is ready, and see that it has old watches list anew.

    + run: this run
    """
    topology, settings = run.topology, run.topology.settings
    here = placed(host.name, known_masters(run)[host.name], topology)
    if is_executing():
        run.results.setdefault("cutover_started", time.time())
    yield script("cutover", *cutover_arguments(here, topology))
    yield script("await-apiserver", *await_arguments(here.manifest, settings.ready_timeout_seconds))
    run.note_api_server(host.name, "ready")
    mark, one = mark_of(run), inventory.get_host(host.name)
    if mark is not None:
        yield action(lambda: _prove_relist(run, mark, one, api_access(here.manifest)))
    yield script("start-controllers", *controllers_arguments(topology))


def _prove_relist(run: Run, mark: Restoring, one: Host, access: ApiAccess) -> None:
    """A watch that holds the newest revision from before is told to list anew: no cache stays old.

    Kubelets, proxies and controllers keep what they list and watch from there. Told nothing, they would go
    on with objects that are no more.
    """
    seen = run.cache.get("highest revision", mark.revision)
    path = f"{WATCH}{seen}"
    answer = read([one], FirstWatchAnswer, access=access, path=path)[one.name]
    code = answer.get("object", answer).get("code")
    if code != GONE:
        raise OperationError(
            f"{one.name}: found the answer {answer or 'none'} to a watch from revision {seen}; expected"
            f" {GONE}, too old; to do: restart kubelets and whatever else watches, or they keep old objects"
        )
    run.journal.record("watch", host=one.name, revision=seen, status=code)


@step
def end_restoring(run: Run) -> Commands:
    """
    Take this master's mark away: the restore is done.

    + run: this run
    """
    yield script("end-restoring", run.topology.settings.kept_directory)
    run.on_failure = None


@step
def tell_lost_nodes(run: Run) -> Commands:
    """
    Name the nodes that joined after the backup was taken: the restored cluster does not know them.

    + run: this run

    A kubelet registers its node when it starts, and not again.
    """
    live: frozenset[str] = run.cache.get("live nodes", frozenset())
    if host.name == run.lead() and is_executing() and live:
        access = access_of(host.name, observe_master(host, run.topology), run.topology)
        nodes = read([inventory.get_host(host.name)], ApiObject, access=access, path=NODES)[host.name]
        for name in sorted(live - {node["metadata"]["name"] for node in nodes.get("items", ())}):
            logger.warning(
                f"--> node {name} is not in the backup; to do: restart its kubelet, which registers it again"
            )
    host.noop("nodes were compared")
    return
    yield
