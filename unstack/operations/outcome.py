"""What a run did, in one file for people and programs."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from pyinfra import host, logger

from unstack.guard import Commands, is_executing, step
from unstack.journal import private_directory, write_private
from unstack.report import leave_report
from unstack.run import Run


@step
def write_outcome(run: Run) -> Commands:
    """
    Write `.unstack/<cluster>/runs/<run>/outcome.json` and show how long each part took.

    + run: this run

    Only a run that cut over leaves one: what a run that found nothing to do would write would
    hide the outcome of the migration. A report is left by each.
    """
    if host.name == run.lead() and is_executing() and "cutover_started" in run.results:
        parts = run.stage_seconds()
        outcome = {
            "run": run.id,
            "cluster": run.topology.settings.cluster,
            "started": datetime.fromtimestamp(run.started, timezone.utc).isoformat(),
            "finished": datetime.now(timezone.utc).isoformat(),
            "parts": parts,
            "fenced_revision": run.results.get("fenced_revision"),
            "cutover_started": run.results["cutover_started"],
            "proof": run.results.get("proof"),
            "restored": run.results.get("restored"),
        }
        directory = private_directory(run.directory / "runs" / run.id)
        write_private(directory / "outcome.json", json.dumps(outcome, indent=2) + "\n")
        run.journal.record("outcome", parts=parts)
        logger.info("    " + ", ".join(f"{part} {seconds} s" for part, seconds in parts.items()))
    if host.name == run.lead() and is_executing():
        leave_report(run)
    host.noop("the outcome lies in .unstack/ on the control node")
    return
    yield
