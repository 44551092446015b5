"""The stacked etcd's own CA, by which a live migration signs: members of one cluster trust one CA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from unstack.manifest import EtcdManifest, ManifestError, flag
from unstack.observations import only, parse_report
from unstack.pki.certificates import certificate_pem, load_certificate
from unstack.pki.faults import authority_faults
from unstack.problems import Problem

TRUST_FLAGS = ("trusted-ca-file", "peer-trusted-ca-file")
SNAPSHOT_INSTEAD = 'set strategy = "snapshot", whose external members are a cluster of their own'


@dataclass(frozen=True)
class StackedAuthority:
    """The CA of one master's stacked etcd: its certificate file, and whether its key lies beside it."""

    path: str
    certificate: str | None  # the file's text, None where there is none
    has_key: bool

    @property
    def key_path(self) -> str:
        """Where kubeadm keeps the key: beside the certificate."""
        return key_path(self.path)

    @property
    def pem(self) -> str:
        """The certificate alone, without words around it. Raises ValueError where it is not one."""
        return certificate_pem(load_certificate(self.certificate or ""))


def key_path(certificate_path: str) -> str:
    """The path of the key of kubeadm's CA, by that of its certificate."""
    return f"{certificate_path.removesuffix('.crt')}.key"


def authority_path(manifest: EtcdManifest) -> str:
    """The file of the one CA that this member trusts, its clients' and its peers'.

    kubeadm mounts its certificates under the paths that they have on the host. Raises ManifestError
    where clients and peers have different ones, or where a flag is missing.
    """
    found = {name: flag(manifest.command, name) for name in TRUST_FLAGS}
    paths = set(found.values())
    path = next(iter(paths))
    if len(paths) != 1 or path is None:
        told = " and ".join(f"--{name}={value}" for name, value in found.items())
        raise ManifestError(f"etcd.yaml has {told}")
    return path


def read_authority(lines: Iterable[str]) -> StackedAuthority:
    """The report of observe-authority.sh."""
    report = parse_report(lines)
    return StackedAuthority(report["path"][0], only(report, "certificate"), "key" in report)


def authority_problems(
    found: Mapping[str, StackedAuthority], minimum_days: int, now: datetime
) -> Iterator[Problem]:
    """Why these masters' CA can't sign for external members of the same cluster; none where it can.

    + found: {master: its stacked etcd's CA}, of every master that has one
    + minimum_days: for how many days from `now` it has to be valid at least
    """
    pems: dict[str, str] = {}
    for name, one in found.items():
        try:
            pems[name] = one.pem
        except ValueError as error:
            what = f"no {one.path}" if one.certificate is None else f"{one.path}: {error}"
            yield Problem(name, what, "the one CA of the stacked etcd", SNAPSHOT_INSTEAD)
    for pem in dict.fromkeys(pems.values()):
        names = [name for name, one in pems.items() if one == pem]
        for fault in authority_faults(load_certificate(pem), minimum_days, now):
            what = f"{found[names[0]].path}: {fault.found}"
            yield Problem(", ".join(names), what, fault.expected, SNAPSHOT_INSTEAD)
    first = next(iter(pems), None)
    for name, pem in pems.items():
        if first is not None and pem != pems[first]:
            yield Problem(
                name,
                f"a {found[name].path} that is not the one of {first}",
                "one CA on all masters",
                SNAPSHOT_INSTEAD,
            )
    if not any(one.has_key for one in found.values()):
        paths = sorted({one.key_path for one in found.values()})
        yield Problem(
            ", ".join(found) or "cluster",
            f"no {' or '.join(paths) or 'stacked etcd'} on any master",
            "the key of the stacked etcd's CA on one of them, to sign the external members' certificates",
            f"bring it there for the migration, or {SNAPSHOT_INSTEAD}",
        )
