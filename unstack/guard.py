"""The guard of a run: what must hold before, between and after its operations.

pyinfra goes on with the hosts that are left when one has failed, and ends all of them at once, with
no chance to mend anything, when an operation raises. Both would be wrong in the middle of a cutover.
"""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import gevent
from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import DeployError, OperationError, PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateStage
from pyinfra.context import ctx_host

from unstack.progress import waiting
from unstack.report import leave_report
from unstack.scripts import Script

if TYPE_CHECKING:
    from unstack.run import Run

Commands = Generator[StringCommand | FunctionCommand]


def is_executing() -> bool:
    """False while pyinfra only finds out what would change (also in --dry)."""
    return bool(state.current_stage == StateStage.Execute)


def under_way() -> str:
    """What the host is at, in this greenlet: a step, planned or run, or what follows a failed one."""
    if not ctx_host.isset() or host.current_op_hash is None:
        return "waiting for its answer"
    name = _names(state, host.current_op_hash).rpartition(" | ")[2]
    return f'{"in" if is_executing() else "planning"} the step "{name}"'


def step(function: Callable[..., Commands]) -> Any:
    """pyinfra's `@operation()` for this tool: an error fails the host, and so ends the run in order.

    Without it an OperationError would leave pyinfra at once, past the guard and the way back. While
    the plan is made nothing has been changed, and it may. A step that lasts says so (`unstack.progress`):
    its facts, its commands, and what it does on the control node.
    """

    @functools.wraps(function)
    def guarded(*arguments: Any, **keywords: Any) -> Commands:
        try:
            with waiting(host.name, under_way()):
                if not is_executing():
                    # A plan is worked through without a pause, for seconds where the control node is
                    # busy; what is to be told meanwhile needs one.
                    gevent.sleep(0)
                for command in function(*arguments, **keywords):
                    # pyinfra runs the command before it asks for the next one.
                    with _waiting_for(command):
                        yield command
        # A fault of our own must not take the way back away either; its traceback is for --debug.
        except Exception as error:
            if not is_executing():
                if isinstance(error, PyinfraError):
                    raise
                raise OperationError(_told(error)) from error
            yield FunctionCommand(_failure(error), (), {})

    return operation()(guarded)


def _waiting_for(command: StringCommand | FunctionCommand) -> AbstractContextManager[object]:
    if isinstance(command, Script) and command.waits_for is not None:
        return waiting(host.name, command.waits_for, command.limit_seconds)
    return nullcontext()


def action(function: Callable[[], object]) -> FunctionCommand:
    """A command that calls `function` on the control node; what it raises fails the host."""

    def call(state: State, host: Host) -> bool:
        try:
            function()
        except Exception as error:
            return _failure(error)(state, host)
        return True

    return FunctionCommand(call, (), {})


def _failure(error: Exception) -> Callable[[State, Host], bool]:
    text = _told(error)

    def fail(state: State, host: Host) -> bool:
        logger.error(f"    {host.print_prefix}{text}")
        logger.debug("the error above came from here", exc_info=error)
        return False

    return fail


def _told(error: Exception) -> str:
    if isinstance(error, PyinfraError):
        return str(error)
    return (
        f"found a fault of this tool ({type(error).__name__}: {error}); expected none; to do: report it with"
        " the output of --debug"
    )


class Guard(BaseStateCallback):
    """Lets one run in, ends it on all hosts at the first failure, and mends what can be mended.

    pyinfra declares the callbacks as static methods and calls them on the instance.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.started: dict[str, float] = {}
        self.interrupted: str | None = None

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        if not self.started:
            self._admit()
        self.started[op_hash] = time.monotonic()
        self.run.journal.record("start", operation=_names(state, op_hash))

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
        failed = ", ".join(sorted(one.name for one in state.failed_hosts))
        if failed:
            reason = f"a step failed on {failed}: {_names(state, op_hash)}"
        elif self.interrupted:
            reason = f"{self.interrupted} after the step {_names(state, op_hash)}"
        elif self.run.lock is not None and self.run.lock.is_lost:
            reason = "the connection that holds this run's lock is gone"
        else:
            return
        self.run.journal.record("stopped", reason=reason)
        logger.error(f"--> Stopped on all hosts, because {reason}")
        if self.run.on_failure is not None and not (self.run.lock and self.run.lock.is_taken):
            self.run.on_failure()
        leave_report(self.run)
        raise DeployError(f"stopped on all hosts, because {reason}")

    def _admit(self) -> None:
        problem = self.run.take_lock()
        if problem is not None:
            logger.error(f"    {problem}")
            raise DeployError("another run holds this cluster's lock. Nothing was changed.")
        # A step is never torn by us: it ends, and the way back follows. A lost terminal is no reason.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: Any) -> None:
        name = signal.Signals(number).name
        self.interrupted = f"{name} was received"
        logger.warning(f"    {name}: stopping when the present step has ended")

    def _record(self, state: State, host: Host, op_hash: str, result: str) -> None:
        self.run.journal.record(
            "operation",
            operation=_names(state, op_hash),
            host=host.name,
            result=result,
            seconds=round(time.monotonic() - self.started[op_hash], 3),
        )


def _names(state: State, op_hash: str) -> str:
    return ", ".join(sorted(state.get_op_meta(op_hash).names))
