"""Where a cluster stands, for people: read only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from pyinfra import host, inventory, logger

from unstack.decommission import withdrawn
from unstack.departure import find_joint, told
from unstack.facts.api import MemberTables
from unstack.facts.cluster import cluster_phase, known_masters, placed
from unstack.facts.membership import observe_members
from unstack.guard import Commands, is_executing, step
from unstack.live import LiveCluster
from unstack.membership import Membership
from unstack.pki import CertificateSummary, Rotation, read_summaries, rotation_of
from unstack.placement import Phase, Placement, restores_begun
from unstack.run import Run
from unstack.topology import Topology


@step
def show_status(run: Run) -> Commands:
    """
    Show the phase, each master's etcd, the external members, and the certificates with their ends.

    + run: this run

    In a dry run too: it changes nothing.
    """
    if host.name == run.lead():
        for line in _lines(run):
            if is_executing():
                logger.info(f"    {line}")
    host.noop("nothing is changed")
    return
    yield


def _lines(run: Run) -> Iterator[str]:
    topology = run.topology
    masters = known_masters(run)
    phase = cluster_phase(topology, masters)
    yield f"{topology.settings.cluster}: {phase.value}"
    for name, one in masters.items():
        here = placed(name, one, topology)
        states = (("fenced", one.fenced), ("returning", one.is_returning), ("restoring", one.restoring))
        marks = [word for word, is_so in states if is_so]
        if here.placement is Placement.EXTERNAL:
            marks += [problem.found for problem in withdrawn(name, one)]
        yield f"{name}: API server on {', '.join(here.manifest.etcd_servers)}{_bracketed(marks)}"
    statuses = observe_members(masters)
    joint = find_joint(masters, statuses, topology)
    if joint is not None:
        quorum = told(LiveCluster(topology, masters, statuses, joint))
        yield f"a live migration is under way, and not to the end; deploy.py goes on with it: {quorum}"
        yield from _members(joint, topology)
    if phase is not Phase.STACKED:
        first = topology.members[0].name
        # The certificates are shown all the same: this is asked when something is wrong.
        tables = inventory.get_host(first).get_fact(MemberTables, member=first, _ignore_errors=True)
        for table in tables or (f"{first}: no answer of the external member",):
            yield from table.splitlines()
    for problem in restores_begun(masters):
        yield str(problem)
    rotation = rotation_of(run.directory / "pki")
    if rotation is not Rotation.NONE:
        yield f"the CA is being replaced, and not to the end: {rotation.value}; tasks/renew_ca.py finishes it"
    yield from certificate_table(read_summaries(run.directory / "pki"), datetime.now(timezone.utc))


def _members(joint: Membership, topology: Topology) -> Iterator[str]:
    external = {one.id: name for name, one in joint.external(topology).items()}
    for one in joint.listed:
        kind = "external" if one.id in external else "stacked"
        role = "learns" if one.is_learner else "votes"
        yield f"{external.get(one.id, one.name)}: {kind} member at {', '.join(one.peer_urls)}, {role}"


def _bracketed(marks: list[str]) -> str:
    return f" ({', '.join(marks)})" if marks else ""


def certificate_table(summaries: list[CertificateSummary], now: datetime) -> Iterator[str]:
    """One line a certificate: name, subject, end (UTC), days left; the one that ends first on top."""
    for one in sorted(summaries, key=lambda summary: summary.not_after):
        days = (one.not_after - now).days
        yield f"{one.name:28} ends {one.not_after:%Y-%m-%d %H:%M} UTC, {days:5d} days left  {one.subject}"
