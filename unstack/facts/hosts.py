"""Facts of the hosts: what a master and an external member's host hold and run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import FactProcessError

from unstack.members import MemberStatus, read_masterleases, read_member_status, read_revision, tells_writes
from unstack.observations import (
    EtcdHost,
    FilesOnDisk,
    MasterHost,
    MemberData,
    Snapshot,
    parse_report,
    read_certificates,
    read_etcd_host,
    read_files,
    read_master_host,
    read_member_data,
)
from unstack.remains import Remains, read_remains
from unstack.restoring import SnapshotStatus
from unstack.scripts import script
from unstack.trust import Trust, read_trust

T = TypeVar("T")


def parsed(reader: Callable[[list[str]], T], output: list[str]) -> T:
    """`reader(output)`, any failure as pyinfra's own error: others would abort all hosts at once."""
    try:
        return reader(output)
    except (ValueError, KeyError, IndexError, TypeError, json.JSONDecodeError) as error:
        raise FactProcessError(f"{type(error).__name__}: {error}") from error


class ObservedMaster(FactBase[MasterHost | None]):
    """A control plane host (`unstack.observations.MasterHost`), or None where it could not be read."""

    def command(self, manifests_directory: str, kept_directory: str, state_directory: str) -> StringCommand:
        return script("observe-master", manifests_directory, kept_directory, state_directory)

    def process(self, output: list[str]) -> MasterHost:
        return parsed(read_master_host, output)


class ObservedCertificates(FactBase[Mapping[str, datetime] | None]):
    """{path: end} of the certificates in use on a control plane host, or None where unread.

    With `paths` those of these files that are there, whoever uses them. A fact of its own:
    `ObservedMaster` is read inside the outage too, where nobody asks for these.
    """

    def command(self, paths: tuple[str, ...] = ()) -> StringCommand:
        return script("observe-certificates", *paths)

    def process(self, output: list[str]) -> Mapping[str, datetime]:
        return parsed(read_certificates, output)


class ObservedRemains(FactBase[Remains | None]):
    """What is left of the stacked etcd on a master (`unstack.remains.Remains`), None where unread."""

    def command(
        self,
        manifests_directory: str,
        data_directory: str,
        member: str,
        peer_url: str,
        archive: str,
        files: tuple[str, ...],
    ) -> StringCommand:
        return script(
            "observe-remains", manifests_directory, data_directory, member, peer_url, archive, *files
        )

    def process(self, output: list[str]) -> Remains:
        return parsed(read_remains, output)


class ObservedTrust(FactBase[Trust | None]):
    """Whom a host's member, or its API server where `member` is empty, trusts; None where unread."""

    def command(self, note: str, ca: str, member: str) -> StringCommand:
        return script("observe-trust", note, ca, member)

    def process(self, output: list[str]) -> Trust:
        return parsed(read_trust, output)


class ObservedEtcdHost(FactBase[EtcdHost | None]):
    """An external member's host (`unstack.observations.EtcdHost`), or None where unread."""

    def command(
        self,
        data_directory: str,
        config_directory: str,
        image: str,
        container: str,
        ports: tuple[int, ...],
    ) -> StringCommand:
        return script(
            "observe-etcd-host",
            data_directory,
            config_directory,
            image,
            container,
            *(str(port) for port in ports),
        )

    def process(self, output: list[str]) -> EtcdHost:
        return parsed(read_etcd_host, output)


class ObservedMember(FactBase[MemberStatus | None]):
    """The etcd member running on a host (`unstack.observations.MemberStatus`), None where unread.

    With a revision other than 0 it carries the member's content at that revision; `is_serving` where
    clients write meanwhile.
    """

    def command(self, member: str, revision: int = 0, is_serving: bool = False) -> StringCommand:
        return script("observe-member", member, str(revision), "serving" if is_serving else "cluster")

    def process(self, output: list[str]) -> MemberStatus:
        return parsed(read_member_status, output)


class ObservedOwnContent(FactBase[MemberStatus | None]):
    """A member with only what is its own at a revision: less to ask, for the time of the outage."""

    def command(self, member: str, revision: int = 0) -> StringCommand:
        return script("observe-member", member, str(revision), "member")

    def process(self, output: list[str]) -> MemberStatus:
        return parsed(lambda lines: read_member_status(lines, whole=False), output)


class MemberRevision(FactBase[int | None]):
    """The revision of the etcd member on a host; None where it does not answer with a quorum."""

    def command(self, member: str) -> StringCommand:
        return script("observe-revision", member)

    def process(self, output: list[str]) -> int:
        return parsed(read_revision, output)


class Masterleases(FactBase[Mapping[str, int] | None]):
    """{address: revision of its last write} of the API servers' masterleases; None where unread."""

    def command(self, member: str, prefix: str) -> StringCommand:
        return script("observe-masterleases", member, prefix)

    def process(self, output: list[str]) -> Mapping[str, int]:
        return parsed(read_masterleases, output)


class ClientWrites(FactBase[bool | None]):
    """True where a member's cluster was written to after a revision; None where it does not answer."""

    def command(self, member: str, revision: int) -> StringCommand:
        return script("observe-writes", member, str(revision))

    def process(self, output: list[str]) -> bool:
        return parsed(tells_writes, output)


class ObservedSnapshot(FactBase[Snapshot | None]):
    """The newest snapshot on a host (`unstack.observations.Snapshot`), None where there is none."""

    def command(self, state_directory: str) -> StringCommand:
        return script("observe-snapshot", state_directory)

    def process(self, output: list[str]) -> Snapshot:
        return parsed(lambda lines: Snapshot.parse(parse_report(lines)["snapshot"][0]), output)


class ObservedMemberData(FactBase[MemberData | None]):
    """An external member's data and container (`unstack.observations.MemberData`), None if unread."""

    def command(self, data_directory: str, container: str) -> StringCommand:
        return script("observe-member-data", data_directory, container)

    def process(self, output: list[str]) -> MemberData:
        return parsed(read_member_data, output)


class ContainerCommand(FactBase[tuple[str, ...] | None]):
    """The command that a member's container was made with: () where there is none, None where unread."""

    def command(self, container: str) -> StringCommand:
        return script("observe-container", container)

    def process(self, output: list[str]) -> tuple[str, ...]:
        return parsed(lambda lines: tuple(parse_report(lines)["command"][0].splitlines()), output)


class ObservedFiles(FactBase[FilesOnDisk | None]):
    """The files directly in some directories (`unstack.observations.FilesOnDisk`), None where unread.

    + directories: absolute paths
    + text: the file whose text is asked for too; "" for none. Never a key
    """

    def command(self, directories: tuple[str, ...], text: str = "") -> StringCommand:
        return script("observe-files", text, *directories)

    def process(self, output: list[str]) -> FilesOnDisk:
        return parsed(read_files, output)


class ObservedStatus(FactBase[SnapshotStatus | None]):
    """What etcdutl reads in a snapshot or a database at rest on an etcd host, None where it can't be read."""

    def command(self, data_directory: str, file: str, image: str) -> StringCommand:
        return script("observe-snapshot-status", data_directory, file, image)

    def process(self, output: list[str]) -> SnapshotStatus:
        return parsed(lambda lines: SnapshotStatus.parse(parse_report(lines)["status"][0]), output)
