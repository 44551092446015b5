"""The lead of a migrated cluster goes from member to member, as where one of them is to be restarted."""

from __future__ import annotations

import time

import pyinfra
from pyinfra import host

from unstack.guard import Commands, action, step
from unstack.operations.restart import hand_over, healthy_members
from unstack.run import Run, barrier, begin

MOVES = 10
PAUSE_SECONDS = 2.0


@step
def move(run: Run) -> Commands:
    """
    Have whoever leads give the lead away, again and again.

    + run: this run
    """
    if host.name != run.lead():
        host.noop(f"the lead is moved from {run.lead()}")
        return
    yield action(lambda: _move(run))


def _move(run: Run) -> None:
    for _ in range(MOVES):
        statuses = healthy_members(run)
        (leader,) = [name for name, one in statuses.items() if one.is_leader]
        hand_over(run, leader, statuses)
        time.sleep(PAUSE_SECONDS)


if pyinfra.is_cli:
    current = begin()
    move(current, name="Move the lead")
    barrier("moved")
