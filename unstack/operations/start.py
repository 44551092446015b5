"""The external members' processes."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import (
    is_migrated,
    observe_etcd_host,
    observe_member_data,
    read_stacked_content,
)
from unstack.run import Run, is_executing
from unstack.scripts import script


@operation()
def start_members(run: Run) -> Generator[StringCommand]:
    """
    Start each external member by compose and wait until it answers with a quorum.

    + run: this run

    A master reads its stacked member's content meanwhile, which the proof will ask for: an
    election is a second of waiting, and the outage has none to spare.

    A member without restored data is refused here, and once more by etcd itself, which is given
    --initial-cluster-state=existing: with "new" it would become an empty voter that passes every
    health check (docs/decisions.md).
    """
    settings = run.topology.settings
    if run.topology.member(host.name) is None:
        if is_executing() and not is_migrated(run):
            read_stacked_content(run, host.name)
        host.noop("the stacked member is only read")
        return
    observed = observe_member_data([host], run.topology)[host.name]
    if observed.container == "running" and observed.has_data:
        host.noop("this member runs already")
        return
    if is_executing() and not (observed.has_data and observed.restored):
        raise OperationError(
            f"{host.name}: found no restored data in {settings.etcd_data_directory}/data; expected"
            " a restored member; to do: run the migration again. No empty member was started."
        )
    yield script(
        "start",
        settings.etcd_config_directory,
        host.name,
        str(int(settings.start_timeout_seconds)),
        *compose_words(run),
    )


def compose_words(run: Run) -> list[str]:
    """The words of the compose command to use on this host: the setting's, or the first it has.

    Asked once a run, before the outage.
    """
    setting = run.topology.settings.compose_command
    if setting != "auto":
        return setting.split(" ")
    key = f"compose on {host.name}"
    if key not in run.cache:
        available = observe_etcd_host(host, run.topology).compose
        run.cache[key] = next(iter(available), "docker compose").split(" ")
    words: list[str] = run.cache[key]
    return words
