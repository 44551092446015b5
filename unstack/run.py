"""A run: its guard, its barriers, its journal, and reading all hosts at once.

The one domain module that knows pyinfra, because pyinfra's defaults would break a cutover
(docs/decisions.md): source order is not execution order, a failed host does not stop the others,
and hosts that could not be reached are quietly left out.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import gevent
from pyinfra import host, inventory, logger, state
from pyinfra.api import FactBase
from pyinfra.api.exceptions import OperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.connectors.ssh import ConnectorData
from pyinfra.context import ctx_host, ctx_state

from unstack.guard import Commands, Guard, is_executing, step, under_way
from unstack.journal import Journal
from unstack.lock import RunLock
from unstack.observations import REHEARSAL
from unstack.problems import Problem, ProblemsError
from unstack.progress import waiting
from unstack.remote import end_silent_connections
from unstack.report.source import Change
from unstack.topology import ETCD, MASTERS, HostInput, Topology, read_topology

T = TypeVar("T")
STATE_DIRECTORY = Path(".unstack")
TEMPLATES = Path("templates")
UNSAFE_OPTIONS = ("--no-wait", "--serial")
BESIDE = Problem(
    "command line",
    "tasks of different kinds: one that only reads, a rehearsal, or one that changes the cluster",
    "each kind by itself",
    "run them one after the other",
)


class Purpose(Enum):
    """What a run is for, which decides what it may leave on the hosts."""

    CHANGE = "the migration, a part of it, or what comes afterwards"
    READ = "looking: no guard, no lock, no journal"
    REHEARSE = "the data path alone: what is put on masters lies apart and is removed in the end"


class Run:
    """One migration, or one stage of it run alone: what its stages share in this process.

    Nothing here decides what is safe: that is read from the hosts. It carries the id, the
    validated topology, the journal and the times of the stages. One that only reads takes no
    lock and leaves nothing behind, here or on a host.
    """

    def __init__(
        self, topology: Topology, unreachable: tuple[str, ...], purpose: Purpose = Purpose.CHANGE
    ) -> None:
        self.id = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.started = time.time()
        self.purpose = purpose
        # Under which run snapshots and data are noted on the hosts.
        self.noted = f"{self.id}{REHEARSAL}" if self.rehearses else self.id
        self.rehearsal_directory = topology.settings.rehearsal_directory
        self.topology = topology.apart() if self.rehearses else topology
        self.unreachable = unreachable
        self.directory = STATE_DIRECTORY / topology.settings.cluster
        self.planned: dict[str, None] = {}  # the stages that this process was asked for, in order
        self.stage_ended: dict[str, float] = {}
        self.results: dict[str, Any] = {}  # what the outcome tells
        self.changes: list[Change] = []  # what the report shows as diffs
        self.cache: dict[str, Any] = {}  # what is made once a process; never written anywhere
        self.lock: RunLock | None = None
        self.on_failure: Callable[[], None] | None = None  # set where there is something to mend

    @cached_property
    def journal(self) -> Journal:
        """This run's journal; its directory is made when it is first asked for."""
        return Journal(self.directory, self.id)

    @property
    def rehearses(self) -> bool:
        """Whether what this run puts on a master lies apart."""
        return self.purpose is Purpose.REHEARSE

    def take_lock(self) -> Problem | None:
        """Let no other run in from here; the problem that names the one that is running."""
        self.lock = RunLock(inventory.get_host(self.lead()), self.topology.settings.cluster, self.id)
        return self.lock.take()

    def end_stage(self, stage: str) -> None:
        """Note the end of a stage, once."""
        if stage not in self.stage_ended:
            self.stage_ended[stage] = time.time()
            self.journal.record("stage", stage=stage, result="ok")

    def stage_seconds(self) -> dict[str, float]:
        """How long each stage took, in seconds, by the times at which its neighbours ended."""
        ends = list(self.stage_ended.items())
        return {stage: round(end - before, 3) for (_, before), (stage, end) in itertools.pairwise(ends)}

    def note_change(self, host_name: str, file: str, old: str, new: str) -> None:
        """Note for the report that a host has the new text now. Compared later, not in the outage."""
        if is_executing() and old != new:
            self.changes.append(Change(host_name, file, old, new))

    def note_api_server(self, host_name: str, state: str) -> None:
        """Note that a host's API server is "taken away" (before it is) or "ready": it bounds the outage.

        One that is "starting anew" while others serve bounds none.
        """
        if is_executing():
            self.journal.record("api server", host=host_name, state=state)

    def lead(self) -> str:
        """The first master: the host that cross-host steps are registered on."""
        return self.topology.masters[0].name


_current: dict[int, Run | OperationError] = {}


def begin(*, examines: bool = False, purpose: Purpose = Purpose.CHANGE) -> Run:
    """Start or join this process's run; the first statement of every task.

    + examines: this task itself names the hosts that can't be reached, with all other problems
    + purpose: what this process's run is for; all its tasks must agree

    Returns the same Run for every host and task of one process. Raises OperationError, before
    anything is registered, on options that would break the order of the stages, on an
    inventory that is hidden in part, on an invalid topology, and on hosts that can't be reached,
    all problems at once: pyinfra would go on without those hosts.
    """
    current: State = ctx_state.get()
    key = id(current)
    if key not in _current:
        _current[key] = _begin(current, purpose)
    # Every host's plan begins with this; the problems are shown once.
    run = _current[key]
    if isinstance(run, Run) and run.unreachable and not (examines or "preflight" in run.planned):
        run = _current[key] = refusal(map(no_connection, run.unreachable))
    if isinstance(run, Run) and run.purpose is not purpose:
        run = _current[key] = refusal([BESIDE])
    if isinstance(run, OperationError):
        raise run
    return run


def _joined() -> Run:
    """The run that this task has begun."""
    run = _current[id(ctx_state.get())]
    if isinstance(run, OperationError):
        raise run
    return run


def _begin(current: State, purpose: Purpose) -> Run | OperationError:
    problems = list(_unsafe_invocation(current))
    if problems:
        return refusal(problems)
    try:
        topology = read_topology(_inputs(current))
    except ProblemsError as error:
        return refusal(error.problems)
    reached = {connected.name for connected in current.activated_hosts}
    involved = {*(m.name for m in topology.masters), *(m.name for m in topology.members)}
    run = Run(topology, tuple(sorted(involved - reached)), purpose)
    for one in current.activated_hosts:
        end_silent_connections(one)
    # A greenlet's expected error would be printed as a traceback beside pyinfra's message.
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, PyinfraError)
    # No "press Enter to continue" after a failed host.
    current.should_raise_failed_hosts = None
    if purpose is not Purpose.READ:
        current.add_callback_handler(Guard(run))
    return run


def _unsafe_invocation(current: State) -> Iterator[Problem]:
    for option in UNSAFE_OPTIONS:
        if option in sys.argv:
            expected = "a stage that ends on all hosts before the next one begins"
            yield Problem("command line", option, expected, f"run without {option}")
    hidden = [one.name for one in inventory if not current.is_host_in_limit(one)]
    if hidden:
        yield Problem(
            "command line",
            f"--limit or --exclude, which hides {', '.join(hidden)}",
            "every host: one that is left out would be left behind",
            "run without it",
        )


def no_connection(name: str) -> Problem:
    """The problem of a host that pyinfra could not connect to."""
    return Problem(
        name,
        "no connection",
        "every host reached over SSH",
        "check its power, address, SSH user and key (`pyinfra INVENTORY exec -- true`)",
    )


def _inputs(current: State) -> Iterable[HostInput]:
    pyinfra_keys = set(ConnectorData.__annotations__)
    for one in current.inventory:
        data = {
            name: value
            for name, value in one.data.dict().items()
            # Leading underscores are pyinfra's global arguments, such as _sudo.
            if not name.startswith("_") and name not in pyinfra_keys
        }
        yield HostInput(one.name, frozenset(one.groups), data)


def refusal(problems: Iterable[Problem], changed: str = "Nothing was changed.") -> OperationError:
    """Show every problem on a line of its own and return the error that ends the run."""
    lines = [str(problem) for problem in problems]
    for line in lines:
        logger.error(f"    {line}")
    return OperationError(f"{len(lines)} problem{'s' if len(lines) != 1 else ''}, listed above. {changed}")


def in_group(name: str) -> bool:
    """True where the host whose plan is being made belongs to the inventory group."""
    return name in host.groups


def masters() -> list[Host]:
    """The reached masters in inventory order."""
    return _group(MASTERS)


def etcd_hosts() -> list[Host]:
    """The reached external members' hosts in inventory order."""
    return _group(ETCD)


def _group(name: str) -> list[Host]:
    return [one for one in inventory.get_group(name) if one in state.activated_hosts]


def on_each(hosts: Iterable[Host], work: Callable[[Host], T]) -> dict[str, T]:
    """`work(host)` for all hosts at once: {host name: result}. Raises what the first failure raised."""
    current = ctx_state.get()

    # `pyinfra.host` is a proxy for whichever host a greenlet works on; here the host itself counts.
    themselves = [current.inventory.get_host(one.name) for one in hosts]
    what = under_way()

    def in_context(one: Host) -> T:
        with ctx_state.use(current), ctx_host.use(one), waiting(one.name, what):
            return work(one)

    # Not pyinfra's pool: it is as large as the inventory and full while an operation runs.
    greenlets = {one.name: gevent.spawn(in_context, one) for one in themselves}
    gevent.joinall(list(greenlets.values()))
    return {name: greenlet.get() for name, greenlet in greenlets.items()}


def read(hosts: Iterable[Host], fact: type[FactBase[T | None]], **arguments: Any) -> dict[str, T]:
    """One fact of many hosts at once: {host name: value}.

    Raises OperationError naming each host whose fact could not be read: unknown is an error,
    never "absent".
    """
    found = on_each(hosts, lambda one: one.get_fact(fact, **arguments, _ignore_errors=True))
    unread = [name for name, value in found.items() if value is None]
    if unread:
        raise OperationError(
            f"{', '.join(unread)}: found no answer to {fact.__name__}; expected one; to do: look at the error"
            " above this line, and at that host"
        )
    return {name: value for name, value in found.items() if value is not None}


@step
def _barrier(stage: str, ends_stage: bool) -> Commands:
    if is_executing() and ends_stage:
        _joined().end_stage(stage)
    host.noop("all hosts have come this far")
    return
    yield


def barrier(stage: str) -> None:
    """End a stage: no host goes on before all hosts are here.

    pyinfra merges the hosts' operations into one order in which only operations that all hosts
    share are fixed points; without one, "restore" ran before "snapshot".
    """
    _joined().planned.setdefault(stage)
    _barrier(stage=stage, ends_stage=True, name=f"=== {stage} ===")


def checkpoint(reached: str) -> None:
    """A barrier inside a stage."""
    _barrier(stage=reached, ends_stage=False, name=f"--- {reached} ---")
