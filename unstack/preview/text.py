"""The preview as plain text: no control characters, at most `WIDTH` columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from unstack.manifest import ManifestError
from unstack.placement import Phase, Placement
from unstack.preview import live
from unstack.preview.masters import config_map, master_files
from unstack.preview.members import member_files
from unstack.preview.outage import STAGES, Part, megabytes, outage
from unstack.preview.processes import master_processes, member_processes
from unstack.preview.quorum import NO_RETURN, may_fail, quorums
from unstack.preview.source import FileChange, Source
from unstack.preview.standing import authority, standing

WIDTH = 110
_INDENT = "  "


def preview(source: Source) -> str:
    """The whole preview, with a newline at its end."""
    hosts = [*_masters(source), *_members(source)]
    files = [change for _, changes, _ in hosts for change in changes if isinstance(change, FileChange)]
    merged = config_map(source)
    is_left = bool(files or merged or any(processes for _, _, processes in hosts))
    lines = [
        f"Preview of deploy.py for the cluster {source.cluster.topology.settings.cluster},"
        f" {source.now:%Y-%m-%d %H:%M} UTC. Nothing was changed.",
        *_section("Where it stands", _wrapped(standing(source, is_left))),
        *_section("Refused", _problems(source)),
        *_section("Certificates", _wrapped(authority(source))),
    ]
    if is_left:
        if source.phase is Phase.STACKED or source.is_live:
            lines += _section("Strategy", _strategy(source))
        for name, changes, processes in hosts:
            lines += _section(name, _host(changes, processes))
        lines += _section("cluster", _changes([merged] if merged else []))
        lines += _section("Outage", _outage(source))
        lines += _section("Quorum", _quorum(source))
    lines += _section("Point of no return", _wrapped(_no_return(source)))
    return "".join(f"{_plain(line)}\n" for line in lines)


_Host = tuple[str, list[FileChange | str], list[str]]


def _masters(source: Source) -> Iterator[_Host]:
    for master in source.cluster.topology.masters:
        name = master.name
        if name not in source.cluster.masters or name not in source.files:
            yield name, ["not read, see the problems"], []
            continue
        changes: list[FileChange | str] = []
        try:
            changes += master_files(source, name)
        except ManifestError as error:
            changes = [f"can't be told: {error}"]
        processes = live.master_processes if source.is_live else master_processes
        yield name, changes, list(processes(source, name))


def _members(source: Source) -> Iterator[_Host]:
    for member in source.cluster.topology.members:
        if member.name not in source.cluster.etcd_hosts or member.name not in source.files:
            yield member.name, ["not read, see the problems"], []
        else:
            processes = live.member_processes if source.is_live else member_processes
            yield member.name, list(member_files(source, member)), list(processes(source, member.name))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading with its lines, or nothing where there are none."""
    found = list(lines)
    if found:
        yield from ("", title, *(f"{_INDENT}{line}" for line in found))


def _wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH - len(_INDENT),
        initial_indent=first,
        subsequent_indent=rest or " " * len(first),
        break_on_hyphens=False,
    )


def _problems(source: Source) -> Iterator[str]:
    if source.problems:
        count = len(source.problems)
        yield from _wrapped(
            f"deploy.py would stop before any change, because of {count} problem{'s' if count > 1 else ''}."
            " What follows is what it would do without."
        )
    for problem in source.problems:
        yield from _wrapped(str(problem), "- ")


def _host(changes: Iterable[FileChange | str], processes: Iterable[str]) -> Iterator[str]:
    yield from _changes(changes)
    for process in processes:
        yield from _wrapped(process, "process  ")


def _changes(changes: Iterable[FileChange | str]) -> Iterator[str]:
    for change in changes:
        if isinstance(change, str):
            yield from _wrapped(change)
            continue
        yield from _wrapped(f"{change.path} ({change.note})", f"{change.kind.value:8} ", " " * 13)
        for line in change.diff:
            yield from _folded(line)


def _folded(line: str) -> Iterator[str]:
    """A line of a diff, whole: what does not fit goes on below, further in."""
    indent, room = " " * 4, WIDTH - len(_INDENT) - 4
    rest = line.replace("\t", "    ").rstrip()
    while len(rest) > room:
        # Behind a comma where there is one: long lines are lists of URLs.
        end = rest.rfind(",", room // 2, room) + 1 or room
        yield f"{indent}{rest[:end]}"
        indent, room, rest = " " * 12, WIDTH - len(_INDENT) - 12, rest[end:]
    yield f"{indent}{rest}"


def _strategy(source: Source) -> Iterator[str]:
    for text in live.strategy(source):
        yield from _wrapped(text, "", "  " if text.startswith("- ") else "")


def _no_return(source: Source) -> str:
    return live.no_return(source) if source.is_live else NO_RETURN[source.phase]


def _outage(source: Source) -> Iterator[str]:
    if source.is_live:
        yield from _wrapped(live.outage(source))
        return
    if source.phase is Phase.EXTERNAL:
        yield "None: the API servers stay as they are."
        return
    size = source.cluster.database_bytes
    parts = list(outage(size, source.rehearsal, _stages(source)))
    if size:
        yield f"For a database of {megabytes(size)}, in seconds:"
    else:
        yield "In seconds; the size of the database could not be read:"
    for part in parts:
        yield from _wrapped(part.origin, f"{part.stage:12}{part.seconds:7.2f}  ")
    yield f"{'together':12}{sum(part.seconds for part in parts):7.2f}"
    yield from _wrapped(_honest(source, parts))


def _stages(source: Source) -> tuple[str, ...]:
    """The stages that are still ahead, or those of a whole outage where the fence is open."""
    if source.phase is Phase.CUTTING_OVER:
        return STAGES[-1:]
    places = [source.cluster.placed(name) for name in source.cluster.masters]
    is_fenced = all(here is not None and here.placement is Placement.FENCED for here in places)
    return STAGES[1:] if places and is_fenced else STAGES


def _honest(source: Source, parts: Iterable[Part]) -> str:
    if source.rehearsal is None:
        return (
            "No part was measured on this cluster: no rehearsal has left .unstack/"
            f"{source.cluster.topology.settings.cluster}/rehearsal.json. The lab is one machine with two"
            " cores; your disks, your network and your API servers' start decide."
        )
    told = f"The rehearsal was at {source.rehearsal.at}"
    if source.rehearsal.outage_seconds is not None:
        told += f" and expected {source.rehearsal.outage_seconds:.1f} s in all"
    of_lab = [part.stage for part in parts if part.origin.startswith("the lab")]
    return f"{told}." + (f" It did not measure {', '.join(of_lab)}." if of_lab else "")


def _quorum(source: Source) -> Iterator[str]:
    if source.is_live:
        yield from _table([("", "API served by", "voters"), *map(_row, live.steps(source))])
        return
    rows = [("", "API served by", "stacked voters", "external voters")]
    rows += [(one.stages, one.serves, _voters(one.stacked), _voters(one.external)) for one in quorums(source)]
    yield from _table(rows)


def _row(step: live.Step) -> tuple[str, ...]:
    return (step.step, step.serves, f"{step.voters}, {max(step.may_fail, 0) or 'none'} may fail")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(len(rows[0]))]
    for row in rows:
        yield "".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


def _voters(voters: int) -> str:
    return f"{voters}, {may_fail(voters)} may fail" if voters else "none runs"


def _plain(line: str) -> str:
    """No control characters: what a file holds must not move the cursor of a terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)
