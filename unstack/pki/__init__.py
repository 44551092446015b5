"""The external cluster's PKI: made once on the control node, kept, and checked before use.

The CA's key stays in its directory on the control node. What is handed on, `Pki`, does not hold it.
"""

from unstack.pki.certificates import Pair
from unstack.pki.contents import Pki
from unstack.pki.ensure import ensure_pki
from unstack.pki.foresee import AuthorityState, ForeseenPki, foresee_pki
from unstack.pki.lint import CertificateSummary, lint, read_summaries, summary
from unstack.pki.settings_problems import settings_problems

__all__ = [
    "AuthorityState",
    "CertificateSummary",
    "ForeseenPki",
    "Pair",
    "Pki",
    "ensure_pki",
    "foresee_pki",
    "lint",
    "read_summaries",
    "settings_problems",
    "summary",
]
