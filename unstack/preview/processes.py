"""The processes that deploy.py would stop and start."""

from __future__ import annotations

from collections.abc import Iterator

from unstack.observations import COMPONENTS
from unstack.placement import Phase, Placement
from unstack.preview.source import Source


def master_processes(source: Source, name: str) -> Iterator[str]:
    """One line a process of a master that stops or starts; none where nothing is left to do."""
    master, here = source.cluster.masters[name], source.cluster.placed(name)
    migrates = here is not None and here.placement is not Placement.EXTERNAL
    for component in COMPONENTS:
        pids = _pids(source, name, component)
        begins = "on the external etcd" if component == COMPONENTS[0] else "after its API server"
        if pids and migrates:
            yield f"{component} ({pids}) stops in fence, starts anew in cutover {begins}"
        elif not pids:
            yield f"{component} (not running) starts in cutover {begins}"
    if "etcd" in master.live:
        manifest = source.cluster.etcd_manifest(name)
        data = f"; its data stays in {manifest.data_directory}" if manifest else ""
        yield f"etcd ({_pids(source, name, 'etcd') or 'not running'}) stops in confirm, for good{data}"


def member_processes(source: Source, name: str) -> Iterator[str]:
    """One line for the container of an external member, unless it goes on as it is."""
    host, settings = source.cluster.etcd_hosts[name], source.cluster.topology.settings
    what = f"container {settings.etcd_container}"
    if source.phase is not Phase.STACKED:
        if host.container != "running":
            yield f"{what} ({host.container or 'none'}) starts in start"
        return
    if not host.has_image:
        yield f"docker pull {settings.etcd_image} in prepare"
    if host.container == "running":
        yield f"{what} (running, of an unfinished run) stops in restore, starts anew in start"
    else:
        yield f"{what} ({host.container or 'none'}) is created in prepare, starts in start"


def _pids(source: Source, name: str, component: str) -> str:
    found = source.cluster.masters[name].running(component)
    return ", ".join(f"pid {process.pid}" for process in found)
