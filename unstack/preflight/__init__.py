"""The rules that a cluster must meet before anything is changed; plain functions of what was read."""

from unstack.preflight.rules import Cluster, judge

__all__ = ["Cluster", "judge"]
