"""What the stages of a live migration share: who may run them, the quorum told, the voters compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from gevent.lock import RLock
from pyinfra import logger
from pyinfra.api.exceptions import OperationError

from unstack.departure import alive, told
from unstack.facts.cluster import cluster_phase, known_masters, observe_member_data, stacked_name
from unstack.facts.membership import observe_live
from unstack.facts.whole_cluster import with_contents
from unstack.live import LiveCluster
from unstack.members import MemberStatus
from unstack.operations.strategy import strategy_of
from unstack.placement import Phase
from unstack.preflight.cluster import Cluster
from unstack.preflight.stacked import contents_are_equal, contents_can_be_compared
from unstack.problems import Problem
from unstack.progress import waiting
from unstack.proof import Proof
from unstack.repeats import told_once
from unstack.run import Run, etcd_hosts, refusal
from unstack.strategy import Strategy

DIFFERS = (
    "keep what differs for a diagnosis; tasks/rollback.py takes the external members out again as long as no"
    " stacked one has left"
)

# etcd refuses a change of members until all have been connected for 5 s (server.go, HealthInterval).
CHANGE_SECONDS = 20.0
# An election takes one or two; a link that is cut for longer is for an operator.
WELL_SECONDS = 30.0
POLL_SECONDS = 0.2

# Several hosts' operations ask at once; one of them reads for all.
_READING = RLock()


def refuse_unless_live(run: Run) -> None:
    """Raises OperationError, before anything is registered, where the strategy is another one."""
    if strategy_of(run) is not Strategy.LIVE:
        raise refusal(
            [
                Problem(
                    "group_data",
                    f"the strategy {strategy_of(run).value}",
                    "live: this stage changes the members of the running cluster",
                    "run deploy.py, or set strategy = 'live'",
                )
            ]
        )


def refuse_joined(run: Run) -> None:
    """Raises OperationError where an external member runs that has joined stacked ones.

    For the snapshot's stages, which stop what runs there: run alone, no preflight has looked. Read once a
    run, before its first change, and by the data's note: without a quorum no member tells who it is.
    """
    with _READING:
        if "joined" not in run.cache:
            run.cache["joined"] = _joined(run)
        joined: list[str] = run.cache["joined"]
    if joined:
        raise refusal(
            [
                Problem(
                    name,
                    "a running member that has joined the stacked cluster",
                    "none while a snapshot is restored: its cluster would lose it",
                    "go on with deploy.py --data strategy=live, or back with tasks/rollback.py",
                )
                for name in joined
            ]
        )


def _joined(run: Run) -> list[str]:
    if cluster_phase(run.topology, known_masters(run)) is Phase.EXTERNAL:
        return []  # it has all that there is
    members = observe_member_data(etcd_hosts(), run.topology)
    return [n for n, one in members.items() if one.has_joined and one.container == "running"]


def tell_quorum(run: Run, step: str, cluster: LiveCluster) -> None:
    """Show and note who votes and how many may fail, before a step that changes either."""
    logger.info(f"    {step}: {told(cluster)}")
    run.journal.record(
        "quorum",
        step=step,
        voters=len(cluster.membership.voters),
        quorum=cluster.membership.quorum,
        may_fail=cluster.membership.may_fail(alive(cluster)),
    )


def await_well(run: Run, seen: LiveCluster | None = None, besides: str = "") -> LiveCluster:
    """The cluster once every voter is healthy and no alarm is raised, at the latest after WELL_SECONDS.

    + seen: the cluster as it was read just now, which is enough where it is well
    + besides: a host whose own member may be silent, as it is about to be started

    Raises OperationError, all problems shown, where that does not come.
    """
    return await_no_problem(
        run, lambda cluster: [one for one in cluster.problems() if one.host != besides], seen=seen
    )


def await_no_problem(
    run: Run,
    problems_of: Callable[[LiveCluster], Iterable[Problem]],
    changed: str = "Nothing more was changed.",
    seen: LiveCluster | None = None,
) -> LiveCluster:
    """The cluster once nothing of this is found, at the latest after WELL_SECONDS.

    + changed: what is said beside the problems, where they stay
    + seen: as for `await_well`

    A member that was just promoted, an election, a network that comes back: they pass. Raises
    OperationError, all problems shown, where they don't.
    """
    deadline = time.monotonic() + WELL_SECONDS
    with told_once(), waiting(run.lead(), "waiting for the members to be healthy", WELL_SECONDS):
        while True:
            last = time.monotonic() > deadline
            try:
                cluster, seen = seen or observe_live(run), None
            except OperationError:  # no quorum: nobody tells who the members are
                if last:
                    raise
            else:
                problems = list(problems_of(cluster))
                if not problems:
                    return cluster
                if last:
                    raise refusal(problems, changed)
            time.sleep(POLL_SECONDS)


def note_progress(run: Run) -> None:
    """Note that what the control plane works on was changed, and is to be confirmed in this run."""
    run.results.setdefault("cutover_started", time.time())


def compare_voters(run: Run) -> None:
    """Compare HashKV, compact revision, keys, users and roles of all voters at one revision.

    For the report it is the run's proof. Raises OperationError, all differences shown.
    """
    cluster = await_well(run)
    names = {
        name: stacked_name(name, cluster.masters[name]) if name in cluster.masters else name
        for name in cluster.voters
    }
    compared = with_contents(Cluster(run.topology, stacked=cluster.voters), names)
    problems = [*contents_can_be_compared(compared, DIFFERS), *contents_are_equal(compared, DIFFERS)]
    if problems:
        raise refusal(problems)
    sides: dict[bool, dict[str, MemberStatus]] = {True: {}, False: {}}
    for name, status in compared.stacked.items():
        sides[name in cluster.masters][name] = status
    proof = Proof(compared.compared_revision, sides[True], sides[False]).as_json()
    # The first one has both sides where this run has grown the cluster; later the stacked ones are gone.
    run.results.setdefault("proof", {**proof, "live": True})
    run.journal.record("proof", **proof, live=True)
    logger.info(
        f"    {len(names)} voters hold the same at revision {compared.compared_revision}: HashKV, compact"
        " revision, keys, users and roles"
    )
