"""Removal, when asked for, of what earlier runs have kept."""

from __future__ import annotations

from pyinfra import host

from unstack.facts.cluster import known_masters, placed
from unstack.guard import Commands, step
from unstack.manifest import ManifestError, read_etcd
from unstack.observations import COMPONENTS, MasterHost
from unstack.placement import Placement
from unstack.problems import Problem
from unstack.run import Run, refusal
from unstack.scripts import script

DEFAULT_DATA_DIRECTORY = "/var/lib/etcd"  # kubeadm's, where no manifest says another


@step
def refuse_to_clean_unfinished(run: Run) -> Commands:
    """
    Refuse while any run is unfinished: what is kept may be what brings the cluster back.

    + run: this run
    """
    if host.name == run.lead():
        problems = [
            Problem(
                name,
                "an unfinished run",
                "a whole control plane: every master on the same etcd, nothing fenced",
                "finish it by deploy.py, or by tasks/restore_backup.py; or go back by tasks/rollback.py",
            )
            for name in _unfinished(run)
        ]
        if problems:
            raise refusal(problems, "Nothing was removed.")
    host.noop("no run is unfinished")
    return
    yield


def _unfinished(run: Run) -> list[str]:
    masters = known_masters(run)
    places = {name: placed(name, one, run.topology).placement for name, one in masters.items()}
    if len(set(places.values())) > 1:
        return sorted(masters)
    return sorted(
        name
        for name, one in masters.items()
        if one.is_returning or one.restoring or one.fenced or not set(COMPONENTS) <= set(one.live)
    )


@step
def clean_master(run: Run) -> Commands:
    """
    Remove snapshots, prepared manifests and replaced data of the stacked member.

    + run: this run

    What a rollback needs stays, unless the setting `clean_rollback` says otherwise. The stacked
    member's own data is never removed here.
    """
    settings = run.topology.settings
    one = known_masters(run)[host.name]
    is_external = placed(host.name, one, run.topology).placement is Placement.EXTERNAL
    everything = settings.clean_rollback or not is_external
    yield script(
        "clean-master",
        settings.kept_directory,
        settings.state_directory,
        _data_directory(one),
        "all" if everything else "rest",
    )


@step
def clean_etcd_host(run: Run) -> Commands:
    """
    Remove snapshots and replaced data; never the member's own.

    + run: this run
    """
    settings = run.topology.settings
    yield script("clean-etcd-host", settings.etcd_data_directory, settings.state_directory)


def _data_directory(one: MasterHost) -> str:
    for manifests in (one.live, one.kept):
        if "etcd" in manifests:
            try:
                return read_etcd(manifests["etcd"]).data_directory
            except ManifestError:
                continue
    return DEFAULT_DATA_DIRECTORY
