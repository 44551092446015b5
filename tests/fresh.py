"""The lab and what this checkout knows of it, as before any migration."""

from __future__ import annotations

import shutil

from lab import Lab
from lab.state import ETCD_PKI
from tests.commands import REPOSITORY

PKI = REPOSITORY / ".unstack/lab/pki"


def make_fresh(lab: Lab) -> None:
    """Reset the lab, and forget the CA of a live migration, which is the stacked cluster's own.

    A snapshot migration would go on with it, and make none of its own.
    """
    lab.reset()
    authority = PKI / "ca.crt"
    if authority.exists() and authority.read_text().strip() == (ETCD_PKI / "ca.crt").read_text().strip():
        shutil.rmtree(PKI)
