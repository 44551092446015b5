"""The stacked etcd's remains: where they lie, and what stands in the way of their removal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from unstack.manifest import flag, read_apiserver, read_etcd
from unstack.observations import MasterHost
from unstack.problems import Problem
from unstack.remains import Remains
from unstack.settings import Settings

# By which kubeadm starts an etcd; each is on the host where the flag says (unstack.stacked_certificates).
PAIR_FLAGS = ("cert-file", "key-file", "peer-cert-file", "peer-key-file")
AUTHORITY_FLAGS = ("trusted-ca-file", "peer-trusted-ca-file")
ARCHIVE_MARGIN_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Stacked:
    """A master's stacked etcd, by the manifests that were kept."""

    name: str
    peer_url: str
    data_directory: str
    pairs: tuple[str, ...]  # certificates and keys of the member, and of its clients on the master
    authority: tuple[str, ...]  # the CA's certificate and key

    @property
    def files(self) -> tuple[str, ...]:
        """All of its certificates and keys."""
        return (*self.pairs, *self.authority)

    def removable(self, settings: Settings) -> tuple[str, ...]:
        """Those to be removed."""
        return self.files if settings.decommission_ca else self.pairs


def read_stacked(kept: Mapping[str, str]) -> Stacked:
    """Read it from {component: manifest text}.

    Raises ManifestError where etcd.yaml is missing, or one of them can't be read.
    """
    etcd = read_etcd(kept.get("etcd", ""))
    pairs = [path for name in PAIR_FLAGS if (path := flag(etcd.command, name))]
    certificate = flag(etcd.command, "cert-file")
    if certificate:
        # kubeadm's for the probe and for people, which no flag names.
        directory = certificate.rpartition("/")[0]
        pairs += [f"{directory}/healthcheck-client.{end}" for end in ("crt", "key")]
    if "kube-apiserver" in kept:
        server = read_apiserver(kept["kube-apiserver"])
        pairs += [path for path in (server.etcd_certfile, server.etcd_keyfile) if path]
    certificates = [path for name in AUTHORITY_FLAGS if (path := flag(etcd.command, name))]
    authority = [*certificates, *(f"{path.removesuffix('.crt')}.key" for path in certificates)]
    return Stacked(
        etcd.name,
        etcd.peer_url.partition(",")[0],
        etcd.data_directory,
        tuple(sorted(set(pairs))),
        tuple(sorted(set(authority))),
    )


def archive_path(one: MasterHost, settings: Settings) -> str:
    """Where a master's archive lies: one for each migration, whichever run makes it."""
    confirmed = "unconfirmed" if one.confirmed is None else one.confirmed.run
    return f"{settings.state_directory}/stacked-etcd-{confirmed}.tar.gz"


def soak_problems(host: str, one: MasterHost, settings: Settings, now: datetime) -> Iterator[Problem]:
    """The external cluster has been in use for too short a time, by the master's own clock.

    + now: of the control node, when the master was read
    """
    if one.confirmed is None:
        yield Problem(
            host,
            "no record of a confirmation",
            "a cluster that was confirmed on the external etcd",
            "run deploy.py, which confirms it and records when",
        )
        return
    age = now + timedelta(seconds=one.clock_offset_seconds) - one.confirmed.at
    if age < settings.soak_time:
        until = one.confirmed.at + settings.soak_time
        yield Problem(
            host,
            f"a confirmation of {one.confirmed.at:%Y-%m-%d %H:%M:%S} UTC, {_told(age)} ago",
            f"{settings.decommission_after} in use since then (decommission_after)",
            f"run again after {until:%Y-%m-%d %H:%M:%S} UTC, or set decommission_after",
        )


def _told(age: timedelta) -> str:
    return str(timedelta(seconds=int(age.total_seconds())))


def remains_problems(
    host: str, one: MasterHost, stacked: Stacked, remains: Remains, settings: Settings
) -> Iterator[Problem]:
    """What stands in the way on one master."""
    data = stacked.data_directory
    if "etcd" in one.live or remains.process is not None:
        process = "" if remains.process is None else f" (process {remains.process})"
        where = " with its manifest in place" if "etcd" in one.live else ""
        yield Problem(
            host,
            f"a stacked etcd{where}{process}",
            "one at rest since the confirmation",
            "see who started it; deploy.py puts it to rest",
        )
    for path in remains.foreign:
        yield Problem(
            host,
            f"{path}, which is not the stacked etcd's, or a link",
            f"nothing but etcd's own files in {data}, and certificates that are files",
            "look at it, and move it away",
        )
    if remains.data_bytes is not None and not remains.is_member:
        yield Problem(
            host,
            f"{data}/member, which is not the data of the stacked etcd {stacked.name}",
            f"member/snap/db and member/wal of an etcd that names {stacked.peer_url}",
            "look whose it is, and move it away",
        )
    for used in remains.used:
        if used.partition(" by ")[0] in stacked.removable(settings):
            yield Problem(
                host, f"the use of {used}", "certificates that nobody uses any more", "change that manifest"
            )
    if settings.decommission != "remove" and one.decommissioning is None:
        yield from _archive_problems(host, one, stacked, remains)


def _archive_problems(host: str, one: MasterHost, stacked: Stacked, remains: Remains) -> Iterator[Problem]:
    if remains.has_archive:
        return
    if remains.data_bytes is None:
        yield Problem(
            host,
            f"no {stacked.data_directory}/member",
            "the stacked etcd's data, to be archived",
            "see who has removed it; with decommission=remove nothing is archived",
        )
        return
    wanted = remains.data_bytes + ARCHIVE_MARGIN_BYTES
    free = one.free_bytes + remains.unfinished_bytes
    if free < wanted:
        yield Problem(
            host,
            f"{free:,} bytes free for the archive",
            f"{wanted:,}: the data as it is, and 64 MiB",
            "make room, set state_directory to a larger disk, or remove it without an archive"
            " (decommission=remove)",
        )
    if not remains.has_tar:
        yield Problem(host, "no GNU tar", "one, to compare the archive", "install tar")


def plan(stacked: Stacked, remains: Remains, one: MasterHost, settings: Settings) -> Iterator[str]:
    """What becomes of a master's remains, in words."""
    if remains.data_bytes is None:
        yield f"{stacked.data_directory}: no data is left"
    else:
        yield f"{stacked.data_directory}: {remains.data_bytes:,} bytes, to be removed"
    removable = [path for path in remains.files if path in stacked.removable(settings)]
    yield f"certificates and keys to be removed: {', '.join(removable) or 'none'}"
    kept = [path for path in remains.files if path not in removable]
    if kept:
        yield f"kept: {', '.join(kept)}"
    if settings.decommission != "remove":
        yield f"archived before, with the CA: {archive_path(one, settings)}"


def withdrawn(host: str, one: MasterHost) -> Iterator[Problem]:
    """Why there is no way back to the stacked etcd of this master, where its removal has begun."""
    mark = one.decommissioned or one.decommissioning
    if mark is not None:
        done = "decommissioned since" if one.decommissioned else "an unfinished decommission began"
        yield Problem(
            host,
            f"no stacked etcd: {done} {mark.at:%Y-%m-%d %H:%M:%S} UTC by run {mark.run}",
            "one whose data and certificates are there",
            "stay on the external etcd: there is no way back by this tool; what was archived is in"
            " stacked-etcd-*.tar.gz in the state directory",
        )
