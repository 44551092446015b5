"""How a run ended, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unstack.report.masking import masked
from unstack.report.model import Ending, Outage
from unstack.report.source import Line, Source

STACKED, EXTERNAL = "stacked", "external"
_INCLUDED = re.compile(r"\btasks/([\w-]+)\.py \| ")


def read_ending(source: Source, outages: Sequence[Outage]) -> Ending:
    """What became of the control plane, by the journal and the results."""
    own = source.own()
    stopped = _last(own, "stopped")
    back = _last(own, "way back")
    if source.is_restore:
        return _restored(source, stopped, back, _away(outages))
    if stopped is not None:
        return _stopped(source, _INCLUDED.sub(r"\1, ", masked(str(stopped["reason"]))), back, _away(outages))
    if source.is_rollback:
        return _rolled_back(source, back, _away(outages))
    if source.is_rehearsal:
        expected = f"expect the API to be away for {source.results.get('expected_outage')} s"
        sentence = (
            "Rehearsed: every member held what the stacked ones held; nothing of it is left on the hosts"
        )
        return Ending("rehearsed", _sentence(sentence, expected), STACKED, STACKED, False)
    if "cutover_started" in source.results:
        proof = source.results.get("proof")
        # A run that went on after the last stacked member had left saw the external ones alone.
        held = "what the stacked ones held" if proof and proof["old"] else "the same"
        proven = f"every member holds {held}" if proof else ""
        switched = source.is_live and not outages and _last(own, "api server") is not None
        one_by_one = "the API servers were started anew one by one" if switched else ""
        return Ending(
            "migrated",
            _sentence(
                "Migrated: the control plane runs on the external etcd", proven, one_by_one, _away(outages)
            ),
            STACKED,
            EXTERNAL,
            True,
        )
    if {"cutover", "switch"} & set(source.planned):
        finished = "what an earlier run had left open was finished" if source.changes else ""
        sentence = "Nothing to do: every master was on the external etcd already"
        return Ending("nothing to do", _sentence(sentence, finished), EXTERNAL, EXTERNAL, True)
    where = EXTERNAL if "confirm" in source.planned else ""
    sentence = f"Done: {', '.join(source.planned) or 'nothing was asked for'}"
    return Ending("done", _sentence(sentence, _away(outages)), where, where, bool(where))


def _stopped(source: Source, reason: str, back: Line | None, away: str) -> Ending:
    before = EXTERNAL if source.is_rollback else STACKED
    what = "The rollback was stopped" if source.is_rollback else "Stopped"
    if back is None:
        changed = "no control plane had to be brought back" if not away else ""
        return Ending("stopped", _sentence(f"{what}, because {reason}", changed, away), "", "", False)
    masters, missing = list(back["masters"]), list(back["missing"])
    others = sorted({one.name for one in source.topology.masters} - set(masters) - set(missing))
    on = ", ".join(sorted(masters))
    left = [f"not on {', '.join(others)}"] if others and masters else []
    left += [f"{', '.join(sorted(missing))} could not be reached"] if missing else []
    if not masters:
        text = f"{what} and not mended: no API server could be brought back; {reason}"
        return Ending("stopped", _sentence(text, *left, away), "", "", False)
    if back["to"] == STACKED:
        text = f"{what} and brought back: the control plane runs on the stacked etcd on {on}"
        nothing = "" if source.is_rollback else "nothing was lost"
        ending = _sentence(text, nothing, *left, away, reason)
        return Ending("brought back", ending, before, STACKED, False)
    text = f"{what} and went on: the control plane runs on the external etcd on {on}"
    return Ending("went on", _sentence(text, *left, away, reason), before, EXTERNAL, False)


def _rolled_back(source: Source, back: Line | None, away: str) -> Ending:
    if source.results.get("nothing to confirm"):
        sentence = "Nothing to do: the control plane runs on the stacked etcd"
        return Ending("nothing to do", _sentence(sentence), STACKED, STACKED, False)
    if back is not None:
        if not back["masters"]:
            sentence = "Not rolled back: no API server could be brought back"
            return Ending("stopped", _sentence(sentence, away), "", "", False)
        sentence = "Rolled back: the old manifests are in place; the external cluster was never in use"
        return Ending("rolled back", _sentence(sentence, away), STACKED, STACKED, False)
    sentence = "Rolled back: the control plane runs on the stacked etcd, with everything written since"
    return Ending("rolled back", _sentence(sentence, away), EXTERNAL, STACKED, False)


def _restored(source: Source, stopped: Line | None, back: Line | None, away: str) -> Ending:
    """Where the cluster is on the external etcd before and after, whichever data that has."""
    if stopped is None:
        told = source.results["restored"]
        sentence = (
            f"Restored: the external etcd holds the backup {told['file']}, whose revision {told['revision']}"
        )
        sentence += f" became {told['revision'] + told['bump']}"
        return Ending("restored", _sentence(sentence, away), EXTERNAL, EXTERNAL, True)
    reason = _INCLUDED.sub(r"\1, ", masked(str(stopped["reason"])))
    if back is None:
        changed = "" if away else "no control plane had to be brought back"
        return Ending(
            "stopped", _sentence(f"The restore was stopped, because {reason}", changed, away), "", "", False
        )
    data = "the restored data" if source.results.get("restored data is in use") else "the data of before"
    on = f"the control plane runs on {data} on {', '.join(sorted(back['masters'])) or 'no master'}"
    sentence = f"The restore was stopped: {on}"
    return Ending("went on", _sentence(sentence, away, reason), EXTERNAL, EXTERNAL, True)


def _away(outages: Sequence[Outage]) -> str:
    if not outages:
        return ""
    if outages[-1].seconds is None:
        return "the API was still away when the run ended"
    times = " and ".join(f"{outage.seconds:.1f} s" for outage in outages)
    return f"the API was away for {times}"


def _sentence(*parts: str) -> str:
    return "; ".join(part for part in parts if part) + "."


def _last(lines: Sequence[Line], event: str) -> Line | None:
    return next((line for line in reversed(lines) if line["event"] == event), None)
