"""Check a PKI before it is used, and say what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from unstack.pki import certificates
from unstack.pki.contents import CONTROL_NODE, Pki, wanted_leaves
from unstack.pki.faults import Fault, authority_faults, leaf_faults
from unstack.pki.settings_problems import settings_problems
from unstack.problems import Problem
from unstack.topology import Topology


@dataclass(frozen=True)
class CertificateSummary:
    """One certificate as a report shows it.

    Its path below the PKI's directory, subject (RFC 4514), SANs as text, and end in UTC.
    """

    name: str
    subject: str
    alternative_names: tuple[str, ...]
    not_after: datetime


def lint(pki: Pki, topology: Topology, now: datetime) -> list[Problem]:
    """Everything that would make TLS fail, or look healthy and fail later; empty if all is right.

    Run it before any certificate is used: a cluster with a wrong peer certificate reports itself
    healthy (etcd checks a peer's certificate against its remote address on one side only).
    Raises ValueError if `now` has no time zone.
    """
    now = certificates.whole_seconds(now)
    problems = settings_problems(topology)
    if problems:
        return problems  # without sound settings there is nothing to compare with
    try:
        authority = certificates.load_certificate(pki.ca_certificate_pem)
    except ValueError as error:
        return [_problem(CONTROL_NODE, "ca", Fault(str(error), "one CA certificate"))]
    minimum_days = topology.settings.minimum_certificate_days
    problems = [
        _problem(CONTROL_NODE, "ca", fault) for fault in authority_faults(authority, minimum_days, now)
    ]
    pairs = pki.pairs()
    for leaf in wanted_leaves(topology):
        pair = pairs.get(leaf.name)
        if pair is None:
            faults = [Fault("no certificate", "a certificate of its own")]
        else:
            faults = list(leaf_faults(pair, leaf.wanted, authority, now))
        problems += [_problem(leaf.host, leaf.name, fault) for fault in faults]
    return problems


def summary(pki: Pki) -> list[CertificateSummary]:
    """The CA and every leaf, in the order of the topology. Holds no secrets."""
    pems = {"ca": pki.ca_certificate_pem}
    pems |= {name: pair.certificate_pem for name, pair in pki.pairs().items()}
    return [_summary(name, pem) for name, pem in pems.items()]


def read_summaries(directory: Path) -> list[CertificateSummary]:
    """Every certificate below a PKI's directory; what is no certificate is left out. No key is read."""
    found = []
    for path in sorted(directory.rglob("*.crt")):
        name = path.relative_to(directory).with_suffix("").as_posix()
        try:
            found.append(_summary(name, path.read_text(encoding="utf-8")))
        except (ValueError, OSError):
            continue
    return found


def _summary(name: str, pem: str) -> CertificateSummary:
    certificate = certificates.load_certificate(pem)
    return CertificateSummary(
        name=name,
        subject=certificate.subject.rfc4514_string(),
        alternative_names=certificates.texts(certificates.alternative_names(certificate)),
        not_after=certificate.not_valid_after_utc,
    )


def _problem(host: str, name: str, fault: Fault) -> Problem:
    return Problem(
        host,
        f"{name}.crt: {fault.found}",
        fault.expected,
        "run the pki stage again: it makes wrong certificates anew; use none of them before",
    )
