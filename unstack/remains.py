"""What is left of the stacked etcd on a master, as observe-remains.sh tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unstack.observations import only, parse_report


@dataclass(frozen=True)
class Remains:
    """What is left of the stacked etcd on a master."""

    process: int | None  # the pid of an etcd that has its name or its data
    data_bytes: int | None  # what its data directory takes, None where no data is there
    is_member: bool  # the data is an etcd's, and names the stacked member's peer URL
    foreign: tuple[str, ...]  # entries that are not the stacked etcd's, three at most of each place
    files: tuple[str, ...]  # those of the asked certificates and keys that are there
    used: tuple[str, ...]  # "FILE by MANIFEST" for each that a manifest in place names
    has_archive: bool
    unfinished_bytes: int  # of an archive that a killed run began
    has_tar: bool  # GNU's, which can compare an archive with what it was made from


def read_remains(lines: Iterable[str]) -> Remains:
    """The report of observe-remains.sh."""
    report = parse_report(lines)
    process, kilobytes = only(report, "process"), only(report, "kilobytes")
    return Remains(
        process=None if process is None else int(process),
        data_bytes=None if kilobytes is None else int(kilobytes) * 1024,
        is_member="member" in report,
        foreign=tuple(path for paths in report.get("foreign", ()) for path in paths.splitlines()),
        files=report.get("file", ()),
        used=report.get("used", ()),
        has_archive="archive" in report,
        unfinished_bytes=int(report["unfinished_kilobytes"][0]) * 1024,
        has_tar="tar" in report,
    )
