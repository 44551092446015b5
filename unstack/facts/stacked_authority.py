"""The stacked etcd's own CA on every master that has or had a stacked member."""

from __future__ import annotations

from collections.abc import Mapping

from gevent.lock import RLock
from pyinfra import inventory
from pyinfra.api import FactBase, StringCommand

from unstack.facts.cluster import known_masters
from unstack.facts.hosts import parsed
from unstack.manifest import ManifestError, read_etcd
from unstack.observations import MasterHost
from unstack.problems import Problem, ProblemsError
from unstack.run import Run, on_each, read
from unstack.scripts import script
from unstack.stacked_authority import (
    SNAPSHOT_INSTEAD,
    StackedAuthority,
    authority_path,
    key_path,
    read_authority,
)

_READING = RLock()


class ObservedAuthority(FactBase[StackedAuthority | None]):
    """A CA certificate of a master, and whether its key lies beside it; None where unread."""

    def command(self, path: str) -> StringCommand:
        return script("observe-authority", path, key_path(path))

    def process(self, output: list[str]) -> StackedAuthority:
        return parsed(read_authority, output)


def stacked_authorities(masters_seen: Mapping[str, MasterHost]) -> dict[str, StackedAuthority]:
    """{master: its stacked etcd's CA}; a manifest that was put to rest tells it too.

    Raises ProblemsError where a manifest does not say which CA it is, OperationError where one can't be read.
    """
    paths: dict[str, str] = {}
    for name, one in masters_seen.items():
        text = one.live.get("etcd") or one.kept.get("etcd")
        try:
            if text is not None:
                paths[name] = authority_path(read_etcd(text))
        except ManifestError as error:
            expected = "one CA for clients and peers, which the external members are to share"
            raise ProblemsError([Problem(name, str(error), expected, SNAPSHOT_INSTEAD)]) from None
    hosts = [inventory.get_host(name) for name in paths]
    return on_each(hosts, lambda one: read([one], ObservedAuthority, path=paths[one.name])[one.name])


def known_authorities(run: Run) -> dict[str, StackedAuthority]:
    """`stacked_authorities`, read once a run: nothing of it changes them."""
    with _READING:
        if "stacked authorities" not in run.cache:
            run.cache["stacked authorities"] = stacked_authorities(known_masters(run))
        found: dict[str, StackedAuthority] = run.cache["stacked authorities"]
        return found
