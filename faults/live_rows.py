"""The rows of the live strategy: faults while members join and leave one cluster, and API servers switch.

Before the first stacked member leaves, a run that fails takes out again what it has added; from then on
it goes forward. A run that is killed can do neither: what it has come to is gone on with. None of it takes
the API away, so every row has a limit for that too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults import injections as do
from faults.control_plane import State
from faults.fault import Context, Fault
from faults.injections import etcd_host
from faults.points import LIVE, before

# A controller that is gone takes nothing with it; an API server whose member is gone takes its requests.
KILL_AWAY_SECONDS = 5.0
_AWAY_SECONDS = 15.0
_CUT_SECONDS = 20
_START_SECONDS = {"start_timeout_seconds": "20"}
# kubelet lets an API server that was switched serve its watches for 30 s: two run on a master so long.
_SETTLE_SECONDS = 60.0
_OLD: frozenset[State] = frozenset({"old"})
_EITHER: frozenset[State] = frozenset({"old", "joint", "new"})
_NEW: frozenset[State] = frozenset({"new"})


def _kill(name: str, stage: str, operation: str, seconds: float, expects: frozenset[State]) -> Fault:
    """kill -9 of the controller, `seconds` after an operation has started."""
    return Fault(
        name=f"live-kill-{name}",
        stage=stage,
        point=before(stage),
        what=f'kill -9 of the controller {seconds:g} s into "{operation}"',
        inject=do.kill_controller(stage, seconds, operation),
        strategy=LIVE,
        operation=operation,
        expects=expects,
        away_seconds=KILL_AWAY_SECONDS,
        settle_seconds=_SETTLE_SECONDS,
        is_kill=True,
    )


# Into the midst of each step: before any of it come the hosts' answers, for half a second and more.
KILLS = (
    _kill("backup", "grow", "Take a backup", 0.5, _OLD),
    _kill("add", "grow", "Add etcd-2 as a learner", 0.4, _OLD),
    _kill("start", "grow", "Start etcd-2 and let it catch up", 1.0, _OLD),
    _kill("promote", "grow", "Let etcd-2 vote", 0.5, _OLD),
    _kill("switch-first", "switch", "Switch the API server of master-1", 2.0, _EITHER),
    _kill("switch-second", "switch", "Switch the API server of master-2", 2.0, _EITHER),
    _kill("switch-third", "switch", "Switch the API server of master-3", 2.0, _EITHER),
    _kill("lead", "shrink", "Move the lead", 0.3, _NEW),
    _kill("remove-first", "shrink", "Remove the stacked member of master-1", 1.0, _NEW),
    _kill("remove-second", "shrink", "Remove the stacked member of master-2", 1.0, _NEW),
    _kill("remove-third", "shrink", "Remove the stacked member of master-3", 1.0, _NEW),
    _kill("settle", "settle", "Restart etcd-2", 1.0, _NEW),
    _kill("confirm", "confirm", "", 0.3, _NEW),
)


def _fault(name: str, what: str, inject: Callable[[Context], None], stage: str = "grow") -> Fault:
    return Fault(
        name=f"live-{name}",
        stage=stage,
        point=before(stage),
        what=what,
        inject=inject,
        strategy=LIVE,
        away_seconds=_AWAY_SECONDS,
        settle_seconds=_SETTLE_SECONDS,
    )


_AT_FOUR = "Add etcd-2 as a learner"
_AT_FIVE = "Add etcd-3 as a learner"

NEW_MEMBERS = (
    replace(
        _fault(
            "new-member-stopped-before-promotion",
            "an etcd host loses its power while its member, a learner, starts",
            do.during("grow", "Start etcd-2", do.cut_power(etcd_host), 1.0),
        ),
        heal=do.switch_on(etcd_host),
        data=_START_SECONDS,
    ),
    replace(
        _fault(
            "new-member-stopped-after-promotion",
            "an etcd host loses its power when its member votes, as one of five",
            do.during("grow", _AT_FIVE, do.cut_power(etcd_host)),
        ),
        heal=do.switch_on(etcd_host),
    ),
    replace(
        _fault(
            "learner-never-catches-up",
            "an etcd host's disk is too small for the data of its member",
            do.FILL_DISK,
        ),
        # After preflight has looked at the disk, and before anything lies there.
        point=before("prepare"),
        heal=do.FREE_DISK,
        data=_START_SECONDS,
    ),
)

STACKED_MEMBERS = tuple(
    replace(fault, heal=do.START_STACKED)
    for fault in (
        _fault(
            "stacked-member-stopped-at-four",
            "a stacked member is stopped, one of four voters",
            do.during("grow", _AT_FOUR, do.STOP_STACKED),
        ),
        _fault(
            "stacked-member-stopped-at-five",
            "a stacked member is stopped, one of five voters",
            do.during("grow", _AT_FIVE, do.STOP_STACKED),
        ),
        _fault(
            "stacked-member-stopped-at-six",
            "a stacked member is stopped, one of six voters",
            do.STOP_STACKED,
            "switch",
        ),
    )
)

_CUT = do.cut_peers(_CUT_SECONDS)
NETWORK = tuple(
    replace(fault, heal=do.open_peers, expects=_EITHER)
    for fault in (
        _fault(
            "peers-cut-at-four",
            f"no packet of etcd passes between old and new hosts for {_CUT_SECONDS} s, at four voters",
            do.during("grow", _AT_FOUR, _CUT),
        ),
        replace(
            # Three voters on each side: nobody has a quorum as long as it lasts.
            _fault(
                "peers-cut-at-six",
                f"no packet of etcd passes between old and new hosts for {_CUT_SECONDS} s, at six voters",
                _CUT,
                "switch",
            ),
            away_seconds=_CUT_SECONDS + _AWAY_SECONDS,
        ),
    )
)

ROWS: tuple[Fault, ...] = (*KILLS, *NEW_MEMBERS, *STACKED_MEMBERS, *NETWORK)
