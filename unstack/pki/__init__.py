"""The external cluster's PKI: made once on the control node, kept, and checked before use.

The CA's key stays in its directory on the control node. What is handed on, `Pki`, does not hold it.
"""

from unstack.pki.adopt import adopt, has_authority, has_certificate, own_pair
from unstack.pki.certificates import Pair
from unstack.pki.contents import Pki
from unstack.pki.ensure import ensure_next_authority, ensure_pki
from unstack.pki.foresee import AuthorityState, ForeseenPki, foresee_adopted, foresee_pki
from unstack.pki.lint import CertificateSummary, lint, read_summaries, summary
from unstack.pki.rotation import (
    Rotation,
    pems_on_hosts,
    retire,
    rotation_of,
    rotation_problems,
    signing_pem,
    switch,
    trusted_pem,
)
from unstack.pki.settings_problems import settings_problems

__all__ = [
    "AuthorityState",
    "CertificateSummary",
    "ForeseenPki",
    "Pair",
    "Pki",
    "Rotation",
    "adopt",
    "ensure_next_authority",
    "ensure_pki",
    "foresee_adopted",
    "foresee_pki",
    "has_authority",
    "has_certificate",
    "lint",
    "own_pair",
    "pems_on_hosts",
    "read_summaries",
    "retire",
    "rotation_of",
    "rotation_problems",
    "settings_problems",
    "signing_pem",
    "summary",
    "switch",
    "trusted_pem",
]
