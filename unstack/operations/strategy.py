"""Which strategy this run takes; asked while the plan is registered, so that --dry shows its stages."""

from __future__ import annotations

from gevent.lock import RLock
from pyinfra import logger

from unstack.facts.whole_cluster import planned_cluster
from unstack.preflight import reasons
from unstack.run import Run
from unstack.strategy import Strategy

# Every host's plan asks; one of them chooses for all.
_CHOOSING = RLock()


def strategy_of(run: Run) -> Strategy:
    """The strategy of this run, the same on every host, in the plan and in the run.

    With "auto" all hosts are read once, and what was found is told. A host that can't be read is for
    preflight to name; nothing is raised here for it.
    """
    with _CHOOSING:
        if "strategy" not in run.cache:
            run.cache["strategy"] = _chosen(run)
        strategy: Strategy = run.cache["strategy"]
        return strategy


def _chosen(run: Run) -> Strategy:
    setting = run.topology.settings.strategy
    if setting != "auto":
        return Strategy(setting)
    cluster = planned_cluster(run)
    logger.info(f'    strategy: {cluster.strategy.value}, as strategy is "auto" in group_data')
    for line in reasons(cluster):
        logger.info(f"      {line}")
    return cluster.strategy
