"""From a run to its report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from unstack.report.certificates import read_certificates
from unstack.report.course import read_lanes, read_outages, read_stages, read_steps
from unstack.report.diff import diff_lines
from unstack.report.ending import read_ending
from unstack.report.model import SCHEMA, Diff, Proof, ProvenMember, Report
from unstack.report.pods import read_rounds, read_slower
from unstack.report.remains import versions, way_back, what_was_kept
from unstack.report.source import Source, utc

_SIDES = ("stacked", "external")


def build(source: Source) -> Report:
    """The report of a run; reads the certificates, and nothing else that is not in `source`."""
    outages = read_outages(source)
    ending = read_ending(source, outages)
    proof = _proof(source)
    return Report(
        schema=SCHEMA,
        run=source.run,
        cluster=source.topology.settings.cluster,
        started=utc(source.started),
        finished=utc(source.finished),
        seconds=round(source.finished - source.started, 3),
        ending=ending,
        stages=read_stages(source),
        outages=outages,
        hosts=read_lanes(source),
        proof=proof,
        pods=tuple(read_rounds(source)),
        slower_pods=read_slower(source),
        certificates=read_certificates(
            source.directory / "pki", datetime.fromtimestamp(source.finished, timezone.utc)
        ),
        diffs=tuple(Diff(one.host, one.file, diff_lines(one)) for one in source.changes),
        versions=tuple(versions(source, proof)),
        kept=tuple(what_was_kept(source, ending)),
        way_back=way_back(source, ending),
        steps=read_steps(source),
    )


def _proof(source: Source) -> Proof | None:
    """The proof of the results, else the last one in the journal: a run may have failed after it."""
    found: Mapping[str, Any] | None = source.results.get("proof")
    for line in source.own():
        if line["event"] == "proof":
            found = found or line
    if found is None:
        return None
    # A rollback proves the other way round.
    old, new = reversed(_SIDES) if source.is_rollback else _SIDES
    members = (*_members(found["old"], old), *_members(found["new"], new))
    contents = {(one.hash, one.compact_revision, one.keys) for one in members}
    return Proof(int(found["revision"]), len(contents) == 1, bool(found.get("live")), members)


def _members(rows: Iterable[Mapping[str, Any]], side: str) -> Iterable[ProvenMember]:
    return (ProvenMember(side=side, **row) for row in rows)
