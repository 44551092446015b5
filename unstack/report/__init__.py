"""The evidence of a run: what it did, what it proved and what it left, in one page and in one JSON file."""

from unstack.report.leave import leave_report

__all__ = ["leave_report"]
