"""Who serves the API at each step, and how many members may fail then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unstack.placement import Phase, Placement
from unstack.preview.source import Source


@dataclass(frozen=True)
class Quorum:
    """A part of the run. `stacked` and `external` are the voters of each cluster; 0 where it does not run."""

    stages: str
    serves: str  # which etcd the API servers are on
    stacked: int
    external: int


def may_fail(voters: int) -> int:
    """How many of so many voters may fail with the others still a quorum."""
    return (voters - 1) // 2


def quorums(source: Source) -> Iterator[Quorum]:
    """The parts of a run that deploy.py would still go through, in their order."""
    stacked, external = _stacked_voters(source), len(source.cluster.topology.members)
    left = sum("etcd" in one.live for one in source.cluster.masters.values())
    if source.phase is Phase.STACKED:
        places = [source.cluster.placed(name) for name in source.cluster.masters]
        if any(here is None or here.placement is Placement.STACKED for here in places):
            yield Quorum("preflight, pki, prepare", "stacked", stacked, 0)
        yield Quorum("fence, snapshot, distribute, restore", "nobody", stacked, 0)
        yield Quorum("start, prove", "nobody", stacked, external)
    if source.phase is not Phase.EXTERNAL:
        yield Quorum("cutover", "external, as each gets ready", stacked, external)
    if left:
        yield Quorum("confirm", "external", stacked, external)
    yield Quorum("afterwards", "external", 0, external)


def _stacked_voters(source: Source) -> int:
    """By the members' own list; where none could be asked, by the manifests that are in place."""
    lists = [one.members for one in source.cluster.stacked.values() if one.members is not None]
    if lists:
        return max(sum(not member.is_learner for member in members) for members in lists)
    return sum("etcd" in one.live for one in source.cluster.masters.values())


NO_RETURN = {
    Phase.STACKED: (
        "The first write that the external cluster acknowledges, in cutover, as the first API server on it"
        " gets ready. Up to there a run that fails brings the old control plane back by itself and nothing"
        " is lost. From there it goes on with the new one; tasks/rollback.py then goes back with all writes."
    ),
    Phase.CUTTING_OVER: (
        "It may have been passed: API servers are on the external cluster. deploy.py goes on;"
        " tasks/rollback.py goes back with all writes."
    ),
    Phase.EXTERNAL: "It has been passed. tasks/rollback.py goes back with all writes.",
}
