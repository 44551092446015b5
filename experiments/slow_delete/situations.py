"""The situations, each built on a fresh lab by itself and measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from demo import migration
from demo.processes import COMPONENTS
from experiments.slow_delete import by_hand, reading, stale_endpoint
from experiments.slow_delete.bench import Bench, Measure
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import Made
from experiments.slow_delete.results import Situation
from lab import Lab, Node
from lab.paths import REPOSITORY, STATE

MIGRATED = "migrated"
_LOG = STATE / "slow-delete-pyinfra.log"


@dataclass(frozen=True)
class Plan:
    """A situation: what it is, and how it is built and measured."""

    name: str
    what: str
    build: Callable[[Bench], None]


def _migrated(bench: Bench) -> None:
    """The control comes first, on the same cluster: what a healthy one takes just now."""
    bench.moment("before the migration", bench.pods.make("standing"))
    standing = bench.pods.make("standing")
    done = migration.run(REPOSITORY, _LOG)
    if done.exit_code != 0:
        raise ExperimentError(f"pyinfra failed with exit code {done.exit_code}; see {_LOG}")
    bench.seen.append(f"pyinfra took {done.seconds:.0f} s")
    _note_leases(bench, "afterwards")
    bench.moment("after the migration", standing)


@dataclass(frozen=True)
class Rewind:
    """A migration by hand that went back: the revision that clients had seen, and older pods."""

    live_revision: int
    standing: list[Made]


def rewind(bench: Bench, *, is_together: bool = False) -> Rewind:
    """Migrate by hand with a snapshot that is older than what clients hold."""
    lab, context = bench.lab, bench.context
    standing = bench.pods.make("standing")
    file, taken = by_hand.snapshot(lab)
    bench.write_until(taken + bench.measure.writes, "live", is_external=False)
    bench.make_lost_pods()
    if is_together:
        by_hand.take_away(lab, lab.masters)
    by_hand.restore(lab, file)
    if is_together:
        by_hand.put_back(lab, context, lab.masters, by_hand.external_urls(lab))
    else:
        by_hand.switch_one_by_one(lab, context, lab.masters)
    # The old members run on; nobody writes to them any more.
    live = reading.revision(lab, is_external=False)
    bench.seen.append(f"the snapshot has revision {taken}; the stacked etcd came to {live}")
    bench.note_lost_pods("right after the switch")
    return Rewind(live, standing)


def _rewound(bench: Bench, *, is_together: bool = False) -> None:
    went_back = rewind(bench, is_together=is_together)
    bench.moment("after the switch", went_back.standing)
    _note_revision(bench, went_back, "at the end")
    bench.note_lost_pods("at the end")


def _cured(title: str, cure: Callable[[Bench, Rewind], None]) -> Callable[[Bench], None]:
    """The rewind, measured by the standing pods, then one cure, measured by new pods."""

    def build(bench: Bench) -> None:
        went_back = rewind(bench)
        bench.moment("after the switch", went_back.standing, rounds=0)
        bench.note_lost_pods("before the cure")
        cure(bench, went_back)
        bench.note_lost_pods(title)
        _note_revision(bench, went_back, title)
        bench.moment(title, rounds=1)
        bench.note_lost_pods("at the end")

    return build


def _restart_control_plane(bench: Bench, went_back: Rewind) -> None:
    by_hand.take_away(bench.lab, bench.lab.masters, COMPONENTS)
    by_hand.put_back(bench.lab, bench.context, bench.lab.masters, None)


def _catch_up(bench: Bench, went_back: Rewind) -> None:
    bench.write_until(went_back.live_revision + 1, "catch-up", is_external=True)


def _two_stores(bench: Bench) -> None:
    """No revision goes back here: the API servers stand still from the snapshot to the switch."""
    lab, context = bench.lab, bench.context
    *switched, forgotten = lab.masters
    if not switched:
        raise ExperimentError("one master alone can't be forgotten: a lab of 2 or more is needed")
    standing = bench.pods.make("standing")
    by_hand.take_away(lab, lab.masters)
    file, taken = by_hand.snapshot(lab)
    by_hand.restore(lab, file)
    bench.seen.append(
        f"the snapshot has revision {taken}, the stacked etcd {reading.revision(lab, is_external=False)}"
    )
    by_hand.put_back(lab, context, switched, by_hand.external_urls(lab))
    by_hand.put_back(lab, context, [forgotten], None)
    bench.moment(f"{forgotten.name} on the old etcd", standing)
    _note_leases(bench, f"with {forgotten.name} on the old etcd")
    by_hand.take_away(lab, [forgotten])
    by_hand.put_back(lab, context, [forgotten], by_hand.external_urls(lab))
    bench.moment(f"{forgotten.name} switched too", rounds=1)


def _note_revision(bench: Bench, went_back: Rewind, when: str) -> None:
    now = reading.revision(bench.lab, is_external=True)
    behind = went_back.live_revision - now
    where = f"{behind} behind" if behind > 0 else f"{-behind} past"
    bench.seen.append(f"{when}: the external etcd has revision {now}, {where} the stacked one's last")


def _note_leases(bench: Bench, when: str) -> None:
    addresses = ", ".join(reading.endpoint_addresses(bench.lab, bench.context))
    bench.seen.append(f"{when}: endpoints of the Service kubernetes: {addresses}")


PLANS = (
    Plan(MIGRATED, "a healthy cluster, and the same after this tool's migration", _migrated),
    Plan("h1", "revisions went back: a live snapshot, API servers switched one by one", _rewound),
    Plan(
        "h1-together",
        "revisions went back, API servers switched all at once",
        lambda bench: _rewound(bench, is_together=True),
    ),
    Plan(
        "h1-control-plane",
        "h1, then all components of the control plane are restarted",
        _cured("control plane restarted", _restart_control_plane),
    ),
    Plan(
        "h1-catch-up",
        "h1, then writes until the revision that clients had seen",
        _cured("revision caught up", _catch_up),
    ),
    Plan("h2", "the last API server stays on the old etcd", _two_stores),
    Plan("h3", "the last API server is dead, and the Service kubernetes names it", stale_endpoint.build),
)
NAMES = tuple(plan.name for plan in PLANS)


def named(names: Sequence[str]) -> list[Plan]:
    """The plans of these names, in the order of all; raises ExperimentError for an unknown one."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ExperimentError(f"no situation is called {unknown[0]}; there are {', '.join(NAMES)}")
    return [plan for plan in PLANS if plan.name in names]


def run(
    lab: Lab, plan: Plan, measure: Measure, places: Sequence[tuple[Node, Node]] | None = None
) -> Situation:
    """Reset the lab, build the situation and measure it, by pods at these places or at all."""
    begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
    lab.reset()
    bench = Bench.prepared(lab, plan.name, measure, places)
    plan.build(bench)
    return Situation(
        name=plan.name,
        begun=begun,
        give_up_seconds=measure.give_up_seconds,
        moments=tuple(bench.moments),
        seen=tuple(bench.seen),
    )
