"""What a rehearsal does beside the data path: a proof under live writes, a trial, and what it expects."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.api_access import api_access
from unstack.facts.cluster import (
    external_members,
    known_masters,
    note_stacked_content,
    placed,
    read_stacked_content,
    snapshot_taken,
    stacked_name,
)
from unstack.facts.whole_cluster import COMPARISON_PAUSE_SECONDS, COMPARISONS
from unstack.guard import Commands, is_executing, step
from unstack.journal import write_private
from unstack.kubeadm_proof import manifest_problems
from unstack.manifest import read_apiserver
from unstack.members import Content, MemberStatus
from unstack.operations.kubeadm_config import cluster_configuration, merged
from unstack.operations.kubeadm_proof import made_by_kubeadm
from unstack.operations.pki import rehearsed_pki
from unstack.operations.prepare import new_manifest
from unstack.rehearsal import (
    FILE,
    FIRST_WRITE_SECONDS,
    KUBELET_SECONDS,
    expect,
    read_api_server_start,
    with_lasting_leases,
)
from unstack.remote import run_script
from unstack.report import leave_report
from unstack.run import Run, etcd_hosts, masters, on_each, refusal


@step
def read_stacked(run: Run) -> Commands:
    """
    Read every stacked member's content at the snapshot's revision, soon after it was taken.

    + run: this run

    Before the API servers compact that revision away. A compaction between two answers looks like
    a difference, so members that differ in it are asked again. Of the leases only those count that
    were there before the snapshot and are there after it: writers go on.
    """
    if host.name == run.lead() and is_executing():
        for attempt in range(COMPARISONS):
            if attempt:
                time.sleep(COMPARISON_PAUSE_SECONDS)
            found = on_each(masters(), lambda one: read_stacked_content(run, one.name, anew=True))
            if len({_content(one).compact_revision for one in found.values()}) == 1:
                break
        lead = found[run.lead()]
        content = with_lasting_leases(_content(lead), run.cache["leases before the snapshot"])
        note_stacked_content(run, run.lead(), replace(lead, content=content))
    host.noop("the stacked members are only read")
    return
    yield


def _content(status: MemberStatus) -> Content:
    if status.content is None:
        raise OperationError(
            f"member {status.member_id:x}: found no content; expected one; to do: look at its log"
        )
    return status.content


@step
def compact_alike(run: Run) -> Commands:
    """
    Compact the external members as far as the stacked ones were when they were read.

    + run: this run

    The API servers compact the stacked etcd every five minutes, also between the snapshot and the
    reading; HashKV is comparable at one compact revision only.
    """
    if host.name == run.lead() and is_executing():
        wanted = _content(read_stacked_content(run, run.lead())).compact_revision
        _, snapshot = snapshot_taken(known_masters(run))
        for number in range(COMPARISONS):
            found = external_members(run.topology, snapshot.revision)
            if number == 0:
                _compare_leases(run, found[run.topology.members[0].name])
            if all(_content(one).compact_revision >= wanted for one in found.values()):
                break
            first = etcd_hosts()[0]
            run_script(first, "compact-member", first.name, str(wanted))
    host.noop("the members are compacted alike")
    return
    yield


def _compare_leases(run: Run, member: MemberStatus) -> None:
    """Refuse a member that lacks a lease which it was restored with, as soon as it serves.

    Nobody renews them there, and an API server's own has 15 s: before the proof of a large database
    has come to its end they may be gone, which says nothing of the restore.
    """
    lead = read_stacked_content(run, run.lead())
    missing = sorted((_content(lead).leases or frozenset()) - (_content(member).leases or frozenset()))
    if missing:
        raise OperationError(
            f"{run.topology.members[0].name}: found a restored member without the leases {missing}; expected"
            " every lease of the snapshot; to do: run the rehearsal again; if it repeats, check the snapshot"
        )
    note_stacked_content(run, run.lead(), replace(lead, content=replace(_content(lead), leases=frozenset())))


@step
def try_control_plane(run: Run) -> Commands:
    """
    Try the new manifest on this master: its own kube-apiserver knows the flags, its own kubeadm would
    make the same etcd settings, and every member answers the API servers' client pair from here.

    + run: this run

    No API server is started, and nothing of the cluster's own is changed.
    """
    if is_executing():
        topology = run.topology
        observed = known_masters(run)[host.name]
        here = placed(host.name, observed, topology)
        new = read_apiserver(new_manifest(here, topology))
        one = inventory.get_host(host.name)
        name = stacked_name(host.name, observed)
        servers = ",".join(new.etcd_servers)
        run_script(one, "try-apiserver", rehearsed_pki(topology), name, servers, *new.command[1:])
        _tell(run, f"kube-apiserver knows the new flags, and {servers} answer its client pair")
        text = merged(host.name, cluster_configuration(api_access(here.manifest)), here.manifest, topology)
        made = made_by_kubeadm(one, new, text, topology)
        if "kubeadm" in made:
            problems = list(manifest_problems(host.name, made.get("manifest", ("",))[0], new))
            if problems:
                raise refusal(problems, "The control plane was not touched.")
            _tell(
                run,
                f"kubeadm {made['kubeadm'][0]} makes a kube-apiserver manifest with the new etcd settings",
            )
    host.noop("the new manifest is tried, and nothing is changed")
    return
    yield


def _tell(run: Run, found: str) -> None:
    logger.info(f"    {host.name}: {found}")
    run.journal.record("rehearsed", host=host.name, found=found)


@step
def tell_expectation(run: Run) -> Commands:
    """
    Show how long the API will be away, part by part, and write `.unstack/<cluster>/rehearsal.json`.

    + run: this run
    """
    if host.name == run.lead() and is_executing():
        _tell_expectation(run)
        leave_report(run)
    host.noop(f"the expectation lies in {run.directory / FILE} on the control node")
    return
    yield


def _tell_expectation(run: Run) -> None:
    observed = known_masters(run)
    found = on_each(masters(), lambda one: _api_server_start(one, stacked_name(one.name, observed[one.name])))
    starts = {name: seconds for name, seconds in found.items() if seconds is not None}
    _, snapshot = snapshot_taken(observed)
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    expected = expect(at, snapshot.bytes, run.stage_seconds(), starts)
    write_private(run.directory / FILE, expected.as_json())
    run.results["expected_outage"] = expected.outage_s
    run.journal.record("expectation", outage_s=expected.outage_s, parts=dict(expected.parts))
    logger.info(f"    expect the API to be away for {expected.outage_s} s:")
    for part, seconds in expected.parts.items():
        logger.info(f"    {part:9} {seconds:7.2f} s")
    known = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in starts.items())
    kubelets = KUBELET_SECONDS + FIRST_WRITE_SECONDS
    logger.info(
        f"    not measured here, but on this project's lab: fence, and {kubelets} s of the cutover; the rest"
        " of it is"
        + (
            f" the shortest of the API servers' own last starts, by their logs: {known}"
            if known
            else " the lab's too: no API server's log tells of a start that was not its whole host's"
        )
    )


def _api_server_start(one: Host, member: str) -> float | None:
    return read_api_server_start(run_script(one, "observe-apiserver-start", member))
