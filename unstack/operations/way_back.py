"""Which way a rollback takes, by the hosts as they stood before its first change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from unstack.departure import find_joint, has_departed, has_left_data
from unstack.facts.cluster import known_masters, known_member_data, placed
from unstack.facts.membership import observe_members
from unstack.guard import is_executing
from unstack.membership import Membership
from unstack.observations import COMPONENTS, MasterHost
from unstack.placement import Placement
from unstack.run import Run
from unstack.topology import Topology


class Way(Enum):
    """How far back it is."""

    NONE = "nothing to roll back: the control plane runs on the stacked etcd"
    MANIFESTS = "the external cluster was never in use: the old manifests go back, no data moves"
    LIVE = "no stacked member has left: API servers go back one by one, then external members leave"
    DATA = "the external cluster is in use: its data goes back into the stacked members"
    FINISH = "a rollback was begun and not finished: it is finished"


def way_of(run: Run) -> Way:
    """Which way this rollback takes."""
    return _decided(run)[0]


def is_halved(run: Run) -> bool:
    """True where some stacked members of a live migration have left: the others leave before data moves."""
    return _decided(run)[1]


def _decided(run: Run) -> tuple[Way, bool]:
    key = "way" if is_executing() else "way while planning"
    if key not in run.cache:
        run.cache[key] = _decide(run)
    decided: tuple[Way, bool] = run.cache[key]
    return decided


def _decide(run: Run) -> tuple[Way, bool]:
    observed = known_masters(run)
    joint = find_joint(observed, observe_members(observed), run.topology)
    way = find_way(observed, run.topology, joint)
    # A way back that was killed between the last removal and its end.
    if way is Way.NONE:
        cluster = run.topology.settings.cluster
        if any(has_left_data(one, cluster) for one in known_member_data(run).values()):
            way = Way.LIVE
    return way, way is Way.DATA and joint is not None


def find_way(observed: Mapping[str, MasterHost], topology: Topology, joint: Membership | None = None) -> Way:
    """The way back from where these masters stand.

    + joint: the members of the one cluster that stacked and external members are in, where they are

    Raises OperationError on an unreadable manifest.
    """
    if any(one.is_returning for one in observed.values()):
        return Way.FINISH  # the stacked members are a cluster of their own again
    if joint is not None:
        return Way.DATA if has_departed(joint, topology) else Way.LIVE
    if any(placed(n, one, topology).placement is Placement.EXTERNAL for n, one in observed.items()):
        return Way.DATA
    whole = all(set(COMPONENTS) <= set(one.live) for one in observed.values())
    return Way.NONE if whole else Way.MANIFESTS
