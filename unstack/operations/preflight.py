"""Preflight: every problem on every host in one pass, before anything is changed."""

from __future__ import annotations

from pyinfra import host, logger

from unstack.facts.whole_cluster import planned_cluster, read_cluster
from unstack.guard import Commands, is_executing, step
from unstack.operations.strategy import strategy_of
from unstack.placement import Phase
from unstack.preflight import judge, warnings
from unstack.run import Run, etcd_hosts, masters, refusal

PHASES = {
    Phase.STACKED: "no problem found: the cluster can be moved",
    Phase.CUTTING_OVER: "no problem found: some masters are on the external etcd, the others follow",
    Phase.EXTERNAL: "the cluster has been migrated: every master's API server is on the external etcd",
}


@step
def examine(run: Run) -> Commands:
    """
    Read all hosts and refuse the run, with every problem of every host, if any rule is broken.

    + run: this run

    Reads only. Works the same in a dry run.
    """
    # Not run.lead(): where that is the host which can't be reached, nobody would examine the others.
    acting = next(iter((*masters(), *etcd_hosts()))).name
    if host.name != acting:
        host.noop(f"all hosts are examined from {acting}")
        return
    if not run.rehearses:
        strategy_of(run)  # with "auto" it tells what it has found, before any of it is refused
    cluster = read_cluster(run) if is_executing() else planned_cluster(run)
    problems = judge(cluster)
    if problems:
        raise refusal(problems)
    for line in warnings(cluster):
        if _first_time(run, line):
            logger.warning(f"    {line}")
    migrated = "Migrated already: every master's API server is on the external etcd. Nothing to do."
    if cluster.phase is Phase.EXTERNAL and _first_time(run, migrated):
        logger.info(f"    {migrated}")
    host.noop(PHASES[cluster.phase])
    return
    yield


def _first_time(run: Run, line: str) -> bool:
    """pyinfra calls an operation while planning and again while executing; a line is told once."""
    told: set[str] = run.cache.setdefault("told by preflight", set())
    if line in told:
        return False
    told.add(line)
    return True
