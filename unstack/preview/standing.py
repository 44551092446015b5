"""Where the cluster stands, and what deploy.py would do from there."""

from __future__ import annotations

from collections.abc import Sequence

from unstack.pki import AuthorityState
from unstack.placement import Phase, Placement
from unstack.preview.live import standing as standing_live
from unstack.preview.source import Source


def standing(source: Source, is_anything_left: bool) -> str:
    """In one or two sentences. `is_anything_left`: any file or process would change."""
    masters = source.cluster.masters
    if any(one.is_returning for one in masters.values()):
        marked = [name for name, one in masters.items() if one.is_returning]
        return (
            f"A rollback was begun and not finished on {_listed(marked)}. deploy.py refuses;"
            " tasks/rollback.py finishes it."
        )
    if live := standing_live(source):
        return live
    marked = [name for name, one in masters.items() if one.restoring is not None]
    if marked:
        return (
            f"A restore of a backup was begun and not finished on {_listed(marked)}. deploy.py refuses;"
            " tasks/restore_backup.py with the same backup finishes it."
        )
    if source.phase is Phase.EXTERNAL:
        if not is_anything_left:
            return (
                "Migrated already: every API server is on the external etcd. deploy.py would change nothing."
            )
        return (
            "Migrated, but not to the end: every API server is on the external etcd. deploy.py would go on"
            " from there with what is listed below."
        )
    if source.phase is Phase.CUTTING_OVER:
        done, others = _at(source, Placement.EXTERNAL), _at(source, Placement.FENCED, Placement.STACKED)
        return (
            f"Half way: {_listed(done)} on the external etcd, {_listed(others)} not yet. deploy.py would put"
            " them on it too; nothing is restored any more."
        )
    fenced = _at(source, Placement.FENCED)
    if fenced:
        return (
            f"Stacked, with the fence closed on {_listed(fenced)}: a run has ended in the middle of its"
            " outage. deploy.py would go on, with a new snapshot; tasks/rollback.py would bring the old"
            " control plane back."
        )
    return "Stacked: nothing has been moved. deploy.py would migrate the cluster from the beginning."


def _at(source: Source, *placements: Placement) -> list[str]:
    found = {name: source.cluster.placed(name) for name in source.cluster.masters}
    return [name for name, here in found.items() if here is not None and here.placement in placements]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "no master"


def authority(source: Source) -> str:
    """What is to be said of the external cluster's certificates."""
    if source.phase is Phase.EXTERNAL:
        return "The CA and its certificates are in use; deploy.py leaves them as they are."
    if source.pki.state is AuthorityState.REFUSED:
        return "The CA is refused, see the problems."
    if source.pki.state is AuthorityState.ADOPTED:
        return (
            "The stacked etcd's own CA will be adopted, since members of one cluster trust one CA, and"
            f" {len(source.pki.leaves)} certificates will be made by it. tasks/renew_ca.py replaces it"
            " afterwards."
        )
    if source.pki.state is AuthorityState.MADE:
        return f"The CA will be made, and with it {len(source.pki.leaves)} certificates."
    anew = [name for name, pair in source.pki.leaves.items() if pair is None]
    kept = len(source.pki.leaves) - len(anew)
    made = f"; made anew: {_listed(anew)}" if anew else ""
    return f"The CA is there and is kept; of its certificates {kept} are kept{made}."
