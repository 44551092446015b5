"""The rules that a cluster must meet before anything is changed; plain functions of what was read."""

from unstack.preflight.rules import Cluster, judge
from unstack.preflight.stacked import contents_settled, warnings

__all__ = ["Cluster", "contents_settled", "judge", "warnings"]
