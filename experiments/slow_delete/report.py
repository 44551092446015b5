"""The situations side by side, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from demo.tables import Cell, table
from experiments.slow_delete.results import ApiServer, Kind, PodTiming, Results, Situation
from experiments.slow_delete.situations import MIGRATED, PLANS

_KINDS: tuple[Kind, ...] = ("standing", "new")


@dataclass(frozen=True)
class Spread:
    """Some waits: how many, how many of them were given up, and the others' seconds."""

    count: int
    given_up: int
    middle: float | None
    longest: float | None

    @classmethod
    def of(cls, waits: Sequence[float | None]) -> Spread:
        """Of these waits, None for one that was given up."""
        ended = [wait for wait in waits if wait is not None]
        return cls(
            count=len(waits),
            given_up=len(waits) - len(ended),
            middle=median(ended) if ended else None,
            longest=max(ended, default=None),
        )


def render(results: Results) -> str:
    """Everything that was measured so far, also by earlier runs."""
    measured = results.named([plan.name for plan in PLANS])
    if not measured:
        return "nothing was measured"
    what = {plan.name: plan.what for plan in PLANS}
    sections = ["Situations", *(f"  {one.name}: {what[one.name]} ({one.begun})" for one in measured)]
    patience = sorted({one.give_up_seconds for one in measured})
    limits = " or ".join(f"{seconds:.0f}" for seconds in patience)
    sections += [
        f"\nPods, one per node and API server at once, in seconds; given up after {limits} s",
        pods(measured),
        "\nNew pods by API server and node: create to Running / delete to gone, the median"
        " (- was given up each time, ! at least once)",
        by_place(measured),
        "\nAPI servers: revisions of a list from etcd and from the watch cache, and of etcd itself",
        revisions(measured),
        "\nSeen",
        *(f"  {one.name}: {line}" for one in measured for line in one.seen),
        "",
        ratio(measured),
    ]
    return "\n".join(sections)


def pods(situations: Iterable[Situation]) -> str:
    """A line for each moment and kind of pods."""
    rows: list[list[Cell]] = []
    for situation in situations:
        for moment in situation.moments:
            for kind in _KINDS:
                chosen = [pod for pod in moment.pods if pod.kind == kind]
                if not chosen:
                    continue
                running = Spread.of([pod.running_seconds for pod in chosen])
                gone = _gone(chosen)
                # How a standing pod came up tells of the cluster before, and only that.
                came = [running.middle, running.longest, running.given_up]
                rows.append(
                    [
                        situation.name,
                        moment.title,
                        kind,
                        len(chosen),
                        *(came if kind == "new" else [None, None, None]),
                        gone.middle,
                        gone.longest,
                        gone.given_up,
                    ]
                )
    headers = ["situation", "moment", "pods", "n", "to Running", "longest", "given up"]
    return table([*headers, "to gone", "longest", "given up"], rows)


def by_place(situations: Sequence[Situation]) -> str:
    """A line for each API server and node, a column for each situation's last moment with new pods."""
    columns: dict[str, dict[tuple[str, str], list[PodTiming]]] = {}
    for situation in situations:
        for number, moment in enumerate(situation.moments):
            found: dict[tuple[str, str], list[PodTiming]] = {}
            for pod in moment.pods:
                if pod.kind == "new":
                    found.setdefault((pod.api_server, pod.node), []).append(pod)
            if found:
                several = len(situation.moments) > 1
                columns[f"{situation.name}.{number + 1}" if several else situation.name] = found
    places = sorted({place for found in columns.values() for place in found})
    rows: list[list[Cell]] = [
        [server, node, *(_times(found.get((server, node), [])) for found in columns.values())]
        for server, node in places
    ]
    return table(["through", "on", *columns], rows)


def revisions(situations: Iterable[Situation]) -> str:
    """A line for each API server at each moment."""
    rows: list[list[Cell]] = []
    for situation in situations:
        for moment in situation.moments:
            for server in moment.api_servers:
                rows.append(
                    [
                        situation.name,
                        moment.title,
                        server.master,
                        ",".join(server.etcd_servers),
                        server.list_revision,
                        server.cache_revision,
                        "-".join(str(revision) for revision in server.etcd_revision),
                        "yes" if agrees(server) else "NO",
                    ]
                )
    headers = ["situation", "moment", "API server", "--etcd-servers", "list", "cache", "etcd", "agrees"]
    return table(headers, rows)


def agrees(server: ApiServer) -> bool:
    """Whether a list had a revision that its etcd had just then."""
    low, high = server.etcd_revision
    return low <= server.list_revision <= high


def ratio(situations: Sequence[Situation]) -> str:
    """New pods after this tool's migration beside those before it; one line."""
    for situation in situations:
        if situation.name == MIGRATED and len(situation.moments) > 1:
            texts = []
            for what, pick in (("create to Running", _running), ("delete to gone", _gone)):
                before, after = (
                    pick([pod for pod in moment.pods if pod.kind == "new"])
                    for moment in (situation.moments[0], situation.moments[-1])
                )
                given_up = [f"{one.given_up} of {one.count}" for one in (before, after)]
                if not before.middle or not after.middle:
                    texts.append(f"{what} could not be compared")
                elif before.given_up or after.given_up:
                    # A median of those that ended says nothing of all.
                    texts.append(f"{what} given up {given_up[0]} before, {given_up[1]} after")
                else:
                    texts.append(
                        f"{what} {before.middle:.1f} s before, {after.middle:.1f} s after"
                        f" ({after.middle / before.middle:.2f}x)"
                    )
            return f"this tool's migration, medians of new pods: {'; '.join(texts)}"
    return "this tool's migration: not measured"


def _running(pods: Sequence[PodTiming]) -> Spread:
    return Spread.of([pod.running_seconds for pod in pods])


def _gone(pods: Sequence[PodTiming]) -> Spread:
    return Spread.of([pod.gone_seconds for pod in pods if pod.was_deleted])


def _times(pods: Sequence[PodTiming]) -> str | None:
    if not pods:
        return None
    return " / ".join(_brief(spread) for spread in (_running(pods), _gone(pods)))


def _brief(spread: Spread) -> str:
    if spread.middle is None:
        return "-"
    return f"{spread.middle:.1f}{'!' if spread.given_up else ''}"
