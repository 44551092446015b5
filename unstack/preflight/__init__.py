"""The rules that a cluster must meet before anything is changed; plain functions of what was read."""

from unstack.preflight.live import asks_for_joining, reasons, strategy_by
from unstack.preflight.rules import Cluster, judge
from unstack.preflight.stacked import contents_settled, warnings

__all__ = [
    "Cluster",
    "asks_for_joining",
    "contents_settled",
    "judge",
    "reasons",
    "strategy_by",
    "warnings",
]
