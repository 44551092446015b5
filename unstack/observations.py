"""What the scripts of `unstack/scripts` report, as typed values.

A report is lines of "key base64-value". A key may come more than once. What a script did not
report was not there; a script that could not ask fails as a whole (see observe-member.sh), so
that "unknown" never looks like "none".
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from cryptography import x509

from unstack.restoring import Restoring

COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
# Ends the run that a rehearsal's snapshot and data are noted under: no migration takes them for its own.
REHEARSAL = "-rehearsal"

Report = Mapping[str, tuple[str, ...]]


def parse_report(lines: Iterable[str]) -> Report:
    """Report lines as {key: values in order}. Raises ValueError on a line that is none."""
    report: dict[str, tuple[str, ...]] = {}
    for line in lines:
        key, separator, value = line.partition(" ")
        if not separator:
            raise ValueError(f"not a report line: {line[:80]!r}")
        text = base64.b64decode(value, validate=True).decode("utf-8", "replace")
        report[key] = (*report.get(key, ()), text)
    return report


def only(report: Report, key: str) -> str | None:
    values = report.get(key, ())
    return values[0] if values else None


def _clock_offset(report: Report) -> float:
    """Seconds by which the host's clock is ahead of ours; includes the answer's way back."""
    return float(report["time"][0]) - time.time()


@dataclass(frozen=True)
class Process:
    """A running process of the control plane. `start_ticks`: clock ticks since the host's boot."""

    pid: int
    start_ticks: int
    arguments: tuple[str, ...]

    @property
    def component(self) -> str:
        """The program's name, without its directory."""
        return self.arguments[0].rsplit("/", 1)[-1] if self.arguments else ""

    def value(self, flag: str) -> str | None:
        """The value of --flag=value, or None; values of a repeated flag joined, as a list flag adds up."""
        prefix = f"--{flag}="
        values = [a[len(prefix) :] for a in self.arguments if a.startswith(prefix)]
        return ",".join(values) if values else None


@dataclass(frozen=True)
class Mark:
    """Our note on a master that something was done: by which run, and when by that master's clock."""

    run: str
    at: datetime

    @classmethod
    def parse(cls, text: str) -> Mark:
        """Read such a note. Raises ValueError when it is not ours."""
        try:
            found = json.loads(text)
            return cls(str(found["run"]), datetime.fromisoformat(found["at"]).astimezone(timezone.utc))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no note of ours: {error!r}") from None


@dataclass(frozen=True)
class MasterHost:
    """A control plane host: manifests by component, running processes, clock and disk."""

    is_root: bool
    live: Mapping[str, str]  # component: manifest text, in the static pod directory
    fenced: Mapping[str, str]  # component: manifest text, kept aside while fenced
    kept: Mapping[str, str]  # component: manifest text of the stacked control plane, kept for the way back
    is_returning: bool  # a rollback has begun to put the old manifests in place
    confirmed: Mark | None  # that the cluster works on the external etcd
    decommissioning: Mark | None  # the removal of the stacked etcd's remains has begun
    decommissioned: Mark | None  # and has ended
    has_restore_tool: bool  # the stacked etcd's own, kept when it was retired
    prepared: str | None  # the kube-apiserver manifest that goes in next
    snapshot: Snapshot | None  # the newest one taken on this host
    processes: tuple[Process, ...]
    same_filesystem: bool
    has_curl: bool
    free_bytes: int
    clock_offset_seconds: float
    restoring: Restoring | None = None  # a restore of a backup that has begun and not ended

    def running(self, component: str) -> tuple[Process, ...]:
        """The running processes of one component."""
        return tuple(p for p in self.processes if p.component == component)


def read_master_host(lines: Iterable[str]) -> MasterHost:
    """The report of observe-master.sh."""
    report = parse_report(lines)
    names = (*COMPONENTS, "etcd")
    snapshot = only(report, "snapshot")
    restoring = only(report, "restoring")
    return MasterHost(
        is_root=only(report, "user") == "0",
        live={n: report[f"live/{n}"][0] for n in names if f"live/{n}" in report},
        fenced={n: report[f"fenced/{n}"][0] for n in names if f"fenced/{n}" in report},
        kept={n: report[f"kept/{n}"][0] for n in names if f"kept/{n}" in report},
        is_returning="returning" in report,
        confirmed=_mark(report, "confirmed"),
        decommissioning=_mark(report, "decommissioning"),
        decommissioned=_mark(report, "decommissioned"),
        has_restore_tool="restore_tool" in report,
        prepared=only(report, "prepared"),
        snapshot=None if snapshot is None else Snapshot.parse(snapshot),
        processes=tuple(_process(text) for text in report.get("process", ())),
        same_filesystem="same_filesystem" in report,
        has_curl="curl" in report,
        free_bytes=int(report["free_kilobytes"][0]) * 1024,
        clock_offset_seconds=_clock_offset(report),
        restoring=None if restoring is None else Restoring.parse(restoring),
    )


def _mark(report: Report, name: str) -> Mark | None:
    text = only(report, name)
    return None if text is None else Mark.parse(text)


def _process(text: str) -> Process:
    pid, ticks, command = text.split(" ", 2)
    return Process(int(pid), int(ticks), tuple(command.splitlines()))


def read_certificates(lines: Iterable[str]) -> Mapping[str, datetime]:
    """The report of observe-certificates.sh as {path: the certificate's end, in UTC}."""
    return {
        key.partition("/")[2]: x509.load_pem_x509_certificate(values[0].encode()).not_valid_after_utc
        for key, values in parse_report(lines).items()
        if key.startswith("certificate/")
    }


@dataclass(frozen=True)
class FilesOnDisk:
    """Regular files of a host, and the text of the one that was asked for, None where it is not there.

    `sums`: {path: sha256}, with "large" for one of more than a MiB.
    """

    text: str | None
    sums: Mapping[str, str]


def read_files(lines: Iterable[str]) -> FilesOnDisk:
    """The report of observe-files.sh."""
    report = parse_report(lines)
    if "read" not in report:
        raise ValueError("the report of observe-files.sh has no beginning")
    sums = (value.partition(" ") for value in report.get("file", ()))
    return FilesOnDisk(only(report, "text"), {path: sha256 for sha256, _, path in sums})


def initial_cluster_token(cluster: str, run_id: str) -> str:
    """A token of its own for each migration: members of two attempts can never join each other."""
    return f"unstack-{cluster}-{run_id}"


@dataclass(frozen=True)
class Restored:
    """Our note beside a member's data directory: the snapshot that it was restored from.

    A member that joined a running cluster has its data from there: its note names no snapshot.
    """

    run: str
    sha256: str
    revision: int
    token: str
    database_sha256: str
    bump: int = 0  # by which its revisions were raised; 0 after a migration

    @property
    def cluster(self) -> str:
        """The setting `cluster` of the run that restored it, by its --initial-cluster-token."""
        return self.token.removeprefix("unstack-").removesuffix(f"-{self.run}")

    @classmethod
    def joined(cls, cluster: str, run: str) -> Restored:
        """The note of a member that `run` has let join the cluster, as it moves `cluster` live."""
        return cls(run, sha256="", revision=0, token=initial_cluster_token(cluster, run), database_sha256="")

    @property
    def has_joined(self) -> bool:
        """It got its data from the members of the cluster that it joined."""
        return not self.sha256

    @property
    def is_rehearsal(self) -> bool:
        """Restored by a rehearsal, and of no use to anybody since."""
        return self.run.endswith(REHEARSAL)

    @property
    def as_json(self) -> str:
        """The note's text."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Restored:
        """Read restored.json. Raises ValueError when it is not ours."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Snapshot:
    """Our note beside a snapshot: where it lies and what it holds."""

    run: str
    path: str
    sha256: str
    revision: int
    fenced: int  # the revision at which the writers were found stopped, at most `revision`
    bytes: int

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read snapshot.json. Raises ValueError when it is not ours."""
        try:
            return cls(**json.loads(text))
        except TypeError as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class MemberData:
    """The data of an external member and the state of its container."""

    has_data: bool
    restored: Restored | None
    container: str  # docker's state, empty where there is none

    @property
    def has_joined(self) -> bool:
        """True of a member that had joined live, and whose data is still in its place."""
        return self.has_data and self.restored is not None and self.restored.has_joined


def read_member_data(lines: Iterable[str]) -> MemberData:
    """The report of observe-member-data.sh."""
    report = parse_report(lines)
    restored = only(report, "restored")
    return MemberData(
        has_data="data" in report,
        restored=None if restored is None else Restored.parse(restored),
        container=report["container"][0],
    )


@dataclass(frozen=True)
class EtcdHost:
    """An external member's host."""

    is_root: bool
    engine: str | None  # the container engine's version, None where none answers
    compose: tuple[str, ...]  # compose commands that work, the plugin first
    has_image: bool
    container: str | None  # docker's state of the container of our name, None where there is none
    container_is_ours: bool  # compose made it from our configuration directory
    listening: frozenset[int]  # those of the asked TCP ports that something listens on
    free_bytes: int
    has_data: bool
    restored: Restored | None
    has_rehearsal: bool  # a rehearsal that died has left a member, its data or a copy of the snapshot
    foreign: tuple[str, ...]  # entries of the data directory that are not ours
    sha256: Mapping[str, str]  # path: sha256 of our configuration files
    clock_offset_seconds: float


def read_etcd_host(lines: Iterable[str]) -> EtcdHost:
    """The report of observe-etcd-host.sh."""
    report = parse_report(lines)
    restored = only(report, "restored")
    return EtcdHost(
        is_root=only(report, "user") == "0",
        engine=only(report, "engine"),
        compose=report.get("compose", ()),
        has_image="image" in report,
        container=only(report, "container"),
        container_is_ours="container_is_ours" in report,
        listening=frozenset(int(port) for port in report.get("listening", ())),
        free_bytes=int(report["free_kilobytes"][0]) * 1024,
        has_data="data" in report,
        restored=None if restored is None else Restored.parse(restored),
        has_rehearsal="rehearsal" in report,
        foreign=tuple((only(report, "foreign") or "").splitlines()),
        sha256={
            key.partition("/")[2]: values[0] for key, values in report.items() if key.startswith("sha256/")
        },
        clock_offset_seconds=_clock_offset(report),
    )
