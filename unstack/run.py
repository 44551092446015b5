"""A run: its guard, its barriers, its journal, and reading all hosts at once.

The one domain module that knows pyinfra, because pyinfra's defaults would break a cutover
(docs/decisions.md): source order is not execution order, a failed host does not stop the others,
and hosts that could not be reached are quietly left out.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Generator, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import gevent
from pyinfra import host, inventory, logger, state
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.api.exceptions import DeployError, OperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.connectors.ssh import ConnectorData
from pyinfra.context import ctx_host, ctx_state

from unstack.journal import Journal
from unstack.problems import Problem, ProblemsError
from unstack.topology import ETCD, MASTERS, HostInput, Topology, read_topology

T = TypeVar("T")
STATE_DIRECTORY = Path(".unstack")
UNSAFE_OPTIONS = ("--no-wait", "--serial")


class StopAllHosts(BaseStateCallback):
    """Ends the run for every host before the next operation once one host has failed.

    pyinfra declares the callbacks as static methods and calls them on the instance.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.started: dict[str, float] = {}

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self.started[op_hash] = time.monotonic()

    def operation_host_start(self, state: State, host: Host, op_hash: str) -> None:  # type: ignore[override]
        # With --no-wait and --serial no operation is ever started for all hosts; those options
        # are refused at the start, this is the second bolt.
        if op_hash not in self.started:
            raise OperationError("operations must run on all hosts together")

    def operation_host_success(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0
    ) -> None:
        self._record(state, host, op_hash, "ok")

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        self._record(state, host, op_hash, "failed")

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        if state.failed_hosts:
            names = ", ".join(sorted(failed.name for failed in state.failed_hosts))
            raise DeployError(f"stopped on all hosts, because a step failed on: {names}")

    def _record(self, state: State, host: Host, op_hash: str, result: str) -> None:
        self.run.journal.record(
            "operation",
            operation=", ".join(sorted(state.get_op_meta(op_hash).names)),
            host=host.name,
            result=result,
            seconds=round(time.monotonic() - self.started[op_hash], 3),
        )


class Run:
    """One migration, or one stage of it run alone: what its stages share in this process.

    Nothing here decides what is safe: that is read from the hosts. It carries the id, the
    validated topology, the journal and the times of the stages.
    """

    def __init__(self, topology: Topology, unreachable: tuple[str, ...]) -> None:
        self.id = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        self.started = time.time()
        self.topology = topology
        self.unreachable = unreachable
        self.directory = STATE_DIRECTORY / topology.settings.cluster
        self.journal = Journal(self.directory, self.id)
        self.planned: set[str] = set()  # the stages that this process was asked for
        self.stage_ended: dict[str, float] = {}
        self.results: dict[str, Any] = {}  # what the outcome tells
        self.cache: dict[str, Any] = {}  # what is made once a process; never written anywhere

    def end_stage(self, stage: str) -> None:
        """Note the end of a stage, once."""
        if stage not in self.stage_ended:
            self.stage_ended[stage] = time.time()
            self.journal.record("stage", stage=stage, result="ok")

    def stage_seconds(self) -> dict[str, float]:
        """How long each stage took, in seconds, by the times at which its neighbours ended."""
        ends = list(self.stage_ended.items())
        return {stage: round(end - before, 3) for (_, before), (stage, end) in itertools.pairwise(ends)}

    def lead(self) -> str:
        """The first master: the host that cross-host steps are registered on."""
        return self.topology.masters[0].name


_current: dict[int, Run | OperationError] = {}


def begin() -> Run:
    """Start or join this process's run; the first statement of every task.

    Returns the same Run for every host and task of one process. Raises DeployError, before
    anything is registered, on options that would break the order of the stages, on an
    inventory that is hidden in part, and on an invalid topology (all problems at once).
    """
    current: State = ctx_state.get()
    key = id(current)
    if key not in _current:
        _current[key] = _begin(current)
    # Every host's plan begins with this; the problems are shown once.
    run = _current[key]
    if isinstance(run, OperationError):
        raise run
    return run


def _begin(current: State) -> Run | OperationError:
    _refuse_unsafe_invocation(current)
    try:
        topology = read_topology(_inputs(current))
    except ProblemsError as error:
        return refusal(error.problems)
    reached = {connected.name for connected in current.activated_hosts}
    involved = {*(m.name for m in topology.masters), *(m.name for m in topology.members)}
    run = Run(topology, tuple(sorted(involved - reached)))
    # A greenlet's expected error would be printed as a traceback beside pyinfra's message.
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, PyinfraError)
    # No "press Enter to continue" after a failed host.
    current.should_raise_failed_hosts = None
    current.add_callback_handler(StopAllHosts(run))
    return run


def _refuse_unsafe_invocation(current: State) -> None:
    for option in UNSAFE_OPTIONS:
        if option in sys.argv:
            raise DeployError(f"{option} is refused: a stage must end on all hosts before the next")
    hidden = [one.name for one in inventory if not current.is_host_in_limit(one)]
    if hidden:
        raise DeployError(
            f"--limit or --exclude hides {', '.join(hidden)}: a stage needs every host; "
            "run without it. Nothing was changed."
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


def is_executing() -> bool:
    """False while pyinfra only finds out what would change (also in --dry)."""
    return bool(state.current_stage == StateStage.Execute)


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

    def in_context(one: Host) -> T:
        with ctx_state.use(current), ctx_host.use(one):
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
        raise OperationError(f"could not read {fact.__name__} on {', '.join(unread)}")
    return {name: value for name, value in found.items() if value is not None}


@operation()
def _barrier(stage: str, ends_stage: bool) -> Generator[StringCommand]:
    if is_executing() and ends_stage:
        begin().end_stage(stage)
    host.noop("all hosts have come this far")
    return
    yield


def barrier(stage: str) -> None:
    """End a stage: no host goes on before all hosts are here.

    pyinfra merges the hosts' operations into one order in which only operations that all hosts
    share are fixed points; without one, "restore" ran before "snapshot".
    """
    begin().planned.add(stage)
    _barrier(stage=stage, ends_stage=True, name=f"=== {stage} ===")


def checkpoint(reached: str) -> None:
    """A barrier inside a stage."""
    _barrier(stage=reached, ends_stage=False, name=f"--- {reached} ---")
