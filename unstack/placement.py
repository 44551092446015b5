"""Where a control plane host's API server keeps its state now: the question every stage asks first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from unstack.manifest import (
    ApiServerManifest,
    pki_directory,
    read_apiserver,
    same_urls,
    with_external_etcd,
)
from unstack.observations import MasterHost
from unstack.problems import Problem
from unstack.topology import Topology


class Placement(Enum):
    """Where one master stands, by its manifests."""

    STACKED = "stacked"  # kube-apiserver.yaml is in place and names other endpoints than ours
    FENCED = "fenced"  # it is kept aside, not yet changed
    EXTERNAL = "external"  # it is in place and names the external cluster


class Phase(Enum):
    """Where the whole cluster stands."""

    STACKED = "stacked"  # no master has been cut over: the external data can be made anew
    CUTTING_OVER = "cutting over"  # some masters are external: only forward is safe
    EXTERNAL = "external"  # all masters are: nothing is left to migrate


@dataclass(frozen=True)
class Placed:
    """A master's placement, with the manifest that says so."""

    placement: Placement
    text: str
    manifest: ApiServerManifest


def place(master: MasterHost, topology: Topology) -> Placed:
    """Read one master's placement.

    Raises ManifestError when there is no readable kube-apiserver manifest, neither in the static
    pod directory nor kept aside.
    """
    live = "kube-apiserver" in master.live
    text = (master.live if live else master.fenced).get("kube-apiserver", "")
    manifest = read_apiserver(text)
    if same_urls(manifest.etcd_servers, topology.client_urls):
        # Kept aside and external (somebody fenced a migrated master) is as far as external.
        return Placed(Placement.EXTERNAL, text, manifest)
    return Placed(Placement.STACKED if live else Placement.FENCED, text, manifest)


def runs_on_external(observed: MasterHost, topology: Topology) -> bool:
    """True where this master's one API server was started with the external endpoints."""
    servers = [one.value("etcd-servers") or "" for one in observed.running("kube-apiserver")]
    return len(servers) == 1 and same_urls(tuple(servers[0].split(",")), topology.client_urls)


def external_manifest(here: Placed, topology: Topology, template: str) -> str:
    """A master's kube-apiserver manifest with the etcd settings of the external cluster.

    Raises ManifestError where it can't be made.
    """
    directory = pki_directory(here.manifest)
    return with_external_etcd(
        here.text,
        client_urls=topology.client_urls,
        cafile=f"{directory}/ca.crt",
        certfile=f"{directory}/client.crt",
        keyfile=f"{directory}/client.key",
        template=template,
    )


def split(masters: Mapping[str, MasterHost], topology: Topology) -> list[Problem]:
    """Live API servers on both clusters: no sequence of this tool leads there, and none leads out.

    Raises ManifestError where a master's manifest can't be read.
    """
    places = {name: place(one, topology).placement for name, one in masters.items()}
    external = [name for name, where in places.items() if where is Placement.EXTERNAL]
    stacked = [name for name, where in places.items() if where is Placement.STACKED]
    if not external or any(masters[name].is_returning for name in masters):
        return []
    return [
        Problem(
            name,
            f"an API server on the stacked etcd, while {', '.join(external)} is on the external one",
            "all on one: each side may hold acknowledged writes that the other lacks",
            "find out which side is to be kept, and take kube-apiserver.yaml of the others away by hand",
        )
        for name in stacked
    ]


def restores_begun(masters: Mapping[str, MasterHost]) -> list[Problem]:
    """A restore of a backup that has not ended: members may stand on two different data."""
    return [
        Problem(
            name,
            f"a restore of a backup that was begun by run {one.restoring.run} and not finished",
            "none, or a finished one",
            "run tasks/restore_backup.py with the same backup, which finishes it",
        )
        for name, one in masters.items()
        if one.restoring is not None
    ]


def phase_of(placements: Iterable[Placement]) -> Phase:
    """The phase of a cluster whose masters stand like this."""
    found = set(placements)
    if found == {Placement.EXTERNAL}:
        return Phase.EXTERNAL
    return Phase.CUTTING_OVER if Placement.EXTERNAL in found else Phase.STACKED
