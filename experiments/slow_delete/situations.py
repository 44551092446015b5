"""The situations, each built on a fresh lab by itself and measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from demo import migration
from demo.hosts import on_all
from demo.processes import COMPONENTS
from experiments.slow_delete import by_hand, reading, stale_endpoint
from experiments.slow_delete.bench import Bench, Measure
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import Made
from experiments.slow_delete.results import Situation
from lab import Lab
from lab.paths import REPOSITORY, STATE

BEFORE, AFTER = "before", "after"
_LOG = STATE / "slow-delete-pyinfra.log"
_HEALTHY_SECONDS = 120.0
_CONNECTIONS = 40
_LEASES = ("get", "leases", "-n", "kube-node-lease", "-o", "json")


@dataclass(frozen=True)
class Plan:
    """A situation: what it is, and how it is built and measured."""

    name: str
    what: str
    build: Callable[[Bench], None]


def _before(bench: Bench) -> None:
    bench.moment("healthy", bench.pods.make("standing"))


def _deaf(bench: Bench) -> None:
    bench.moment("healthy", bench.pods.make("standing", is_deaf=True), rounds=0)


def _after(bench: Bench) -> None:
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


def _restart_kubelets(bench: Bench, went_back: Rewind) -> None:
    since = datetime.now(timezone.utc)
    nodes = bench.lab.masters + bench.lab.workers
    on_all(bench.lab, nodes, "systemctl restart kubelet")
    deadline = time.monotonic() + _HEALTHY_SECONDS
    # Not the lab's own check, which asks the stacked etcd: their heartbeats.
    while waiting := silent_nodes(bench.lab.kubectl(*_LEASES), [n.node_name for n in nodes], since):
        if time.monotonic() > deadline:
            raise ExperimentError(f"no heartbeat of {', '.join(waiting)} after {_HEALTHY_SECONDS:.0f} s")
        time.sleep(1.0)


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


def _stale_endpoint(bench: Bench) -> None:
    lab, context = bench.lab, bench.context
    stale_endpoint.install_plugin(lab)
    stale_endpoint.play_proxy(lab, reading.endpoint_addresses(lab, context))
    _note_connections(bench, "with the right endpoints")
    bench.moment("right endpoints", rounds=1)
    address = stale_endpoint.add_stale_lease(lab)
    stale_endpoint.play_proxy(lab, stale_endpoint.await_endpoint(lab, context, address, is_there=True))
    _note_leases(bench, "with the stale one")
    _note_connections(bench, "with the stale one")
    bench.moment("one stale endpoint")
    stale_endpoint.remove_lease(lab, address)
    stale_endpoint.play_proxy(lab, stale_endpoint.await_endpoint(lab, context, address, is_there=False))
    bench.moment("its lease removed", rounds=1)


def silent_nodes(listing: str, nodes: Sequence[str], since: datetime) -> list[str]:
    """Which of the nodes have not renewed their lease since then, by `kubectl get leases -o json`."""
    renewed = set()
    for item in json.loads(listing)["items"]:
        moment = item["spec"].get("renewTime", "1970-01-01T00:00:00Z").replace("Z", "+00:00")
        if datetime.fromisoformat(moment) > since:
            renewed.add(item["metadata"]["name"])
    return [node for node in nodes if node not in renewed]


def _note_revision(bench: Bench, went_back: Rewind, when: str) -> None:
    now = reading.revision(bench.lab, is_external=True)
    behind = went_back.live_revision - now
    where = f"{behind} behind" if behind > 0 else f"{-behind} past"
    bench.seen.append(f"{when}: the external etcd has revision {now}, {where} the stacked one's last")


def _note_leases(bench: Bench, when: str) -> None:
    addresses = ", ".join(reading.endpoint_addresses(bench.lab, bench.context))
    bench.seen.append(f"{when}: endpoints of the Service kubernetes: {addresses}")


def _note_connections(bench: Bench, when: str) -> None:
    found = stale_endpoint.connections(bench.lab, _CONNECTIONS)
    failed = sum(one is None for one in found.seconds)
    longest = f", after {found.longest_failure:.1f} s at most" if failed else ""
    bench.seen.append(f"{when}: {failed} of {len(found.seconds)} connections to the Service failed{longest}")


PLANS = (
    Plan(BEFORE, "a healthy stacked cluster", _before),
    Plan("deaf", "a healthy cluster, and a process that does not react to SIGTERM", _deaf),
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
        "h1-kubelet", "h1, then all kubelets are restarted", _cured("kubelets restarted", _restart_kubelets)
    ),
    Plan(
        "h1-catch-up",
        "h1, then writes until the revision that clients had seen",
        _cured("revision caught up", _catch_up),
    ),
    Plan("h2", "the last API server stays on the old etcd", _two_stores),
    Plan("h3", "an endpoint of the Service kubernetes does not answer", _stale_endpoint),
    Plan(AFTER, "after this tool's migration", _after),
)
NAMES = tuple(plan.name for plan in PLANS)


def named(names: Sequence[str]) -> list[Plan]:
    """The plans of these names, in the order of all; raises ExperimentError for an unknown one."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ExperimentError(f"no situation is called {unknown[0]}; there are {', '.join(NAMES)}")
    return [plan for plan in PLANS if plan.name in names]


def run(lab: Lab, plan: Plan, measure: Measure) -> Situation:
    """Reset the lab, build the situation and measure it."""
    begun = datetime.now(timezone.utc).isoformat(timespec="seconds")
    lab.reset()
    bench = Bench.prepared(lab, plan.name, measure)
    plan.build(bench)
    return Situation(
        name=plan.name,
        begun=begun,
        give_up_seconds=measure.give_up_seconds,
        moments=tuple(bench.moments),
        seen=tuple(bench.seen),
    )
