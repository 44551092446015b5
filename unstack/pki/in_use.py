"""Whether the CA of the control node is the one that a cluster in use trusts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from unstack.pki.contents import CONTROL_NODE
from unstack.pki.rotation import pems_on_hosts
from unstack.problems import Problem

EXPECTED = "the CA that the cluster in use trusts"
TO_DO = "bring {} from the control node that made it, or from its backup"


def authority_problems(
    directory: Path, hosts: Mapping[str, str | None], *, makes_new: bool = False
) -> list[Problem]:
    """What keeps leaves of the CA in `directory` from being accepted by these hosts.

    + hosts: {host name: sha256 of its ca.crt, in hexadecimal; None where it has none, as a new host}
    + makes_new: a directory without a CA is meant: the old one has expired, and nothing trusts it

    A control node without this cluster's directory would otherwise make a CA of its own, and its
    leaves would cut every member off from the others. While a CA is being replaced hosts may have
    both. An unreadable ca.crt is not named here: `ensure_pki` does.
    """
    path = directory / "ca.crt"
    if not path.is_file():
        return [] if makes_new else [Problem(CONTROL_NODE, f"no {path}", EXPECTED, TO_DO.format(directory))]
    try:
        ours = {hashlib.sha256(pem.encode()).hexdigest() for pem in pems_on_hosts(directory)}
    except ValueError:
        return []
    return [
        Problem(name, f"a ca.crt that is not {path}", EXPECTED, TO_DO.format(directory))
        for name, found in hosts.items()
        if found is not None and found not in ours
    ]
