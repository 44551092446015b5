"""What `ensure_pki` would make and what it would keep, without making anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

from unstack.pki import certificates
from unstack.pki import directory as pki_directory
from unstack.pki.certificates import Pair
from unstack.pki.contents import wanted_leaves
from unstack.pki.ensure import find_authority
from unstack.pki.faults import leaf_faults
from unstack.pki.settings_problems import settings_problems
from unstack.problems import Problem, ProblemsError
from unstack.topology import Topology


class AuthorityState(Enum):
    """What is to be said of the external cluster's CA."""

    MADE = "made"
    ADOPTED = "adopted"
    KEPT = "kept"
    REFUSED = "refused"


@dataclass(frozen=True)
class ForeseenPki:
    """The certificates as the next `ensure_pki` would leave them.

    `ca_certificate_pem` is None where the CA would be made. `leaves` has every leaf that is wanted by
    its name, such as "members/etcd-1/peer": its pair where that is kept, None where it would be made
    anew. Empty where the PKI is refused.
    """

    state: AuthorityState
    ca_certificate_pem: str | None = None
    leaves: Mapping[str, Pair | None] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def foresee_adopted(topology: Topology, ca_certificate_pem: str) -> ForeseenPki:
    """The PKI once this CA has been adopted: every leaf is made by it."""
    leaves = {leaf.name: None for leaf in wanted_leaves(topology)}
    return ForeseenPki(AuthorityState.ADOPTED, ca_certificate_pem, leaves)


def foresee_pki(directory: Path, topology: Topology, now: datetime) -> ForeseenPki:
    """Read `directory` as `ensure_pki` would. Changes nothing and raises nothing but OSError.

    `now` has a time zone. Takes no lock: a run that is just making certificates may be seen half-way.
    """
    now = certificates.whole_seconds(now)
    problems = settings_problems(topology)
    if directory.exists():
        problems += pki_directory.exposure_problems(directory)
    try:
        authority = find_authority(directory, topology.settings, now)
    except ProblemsError as error:
        problems += error.problems
    if problems:
        return ForeseenPki(AuthorityState.REFUSED, problems=tuple(problems))
    leaves: dict[str, Pair | None] = {}
    for leaf in wanted_leaves(topology):
        pair = None if authority is None else pki_directory.read_pair(directory / leaf.name)
        if authority is not None and pair is not None:
            faulty = any(leaf_faults(pair, leaf.wanted, authority.certificate, now))
            pair = None if faulty else pair
        leaves[leaf.name] = pair
    if authority is None:
        return ForeseenPki(AuthorityState.MADE, leaves=leaves)
    return ForeseenPki(AuthorityState.KEPT, certificates.certificate_pem(authority.certificate), leaves)
