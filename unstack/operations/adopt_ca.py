"""The stacked etcd's own CA brought into the PKI, for a live migration: one cluster trusts one CA.

tasks/renew_ca.py replaces it afterwards, when nobody is on the stacked etcd any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError

from unstack.facts.cluster import cluster_phase, is_migrated, known_etcd_hosts, known_masters
from unstack.facts.stacked_authority import known_authorities
from unstack.guard import Commands, action, step
from unstack.observations import only, parse_report
from unstack.operations.strategy import strategy_of
from unstack.pki import Pair, adopt, has_authority, has_certificate, own_pair
from unstack.pki.in_use import TO_DO
from unstack.placement import Phase
from unstack.problems import Problem, ProblemsError
from unstack.remote import run_script
from unstack.run import Run, refusal
from unstack.stacked_authority import SNAPSHOT_INSTEAD, StackedAuthority, authority_problems
from unstack.strategy import Strategy


@step
def adopt_ca(run: Run) -> Commands:
    """
    Have the stacked etcd's own CA sign the external cluster's certificates, where the migration is live.

    + run: this run

    Its key is read from a master over the SSH connection, and lies nowhere but there and in the PKI.
    Another CA that was prepared there is set aside, unless a host uses it.
    """
    if host.name != run.lead():
        host.noop("the certificates are made on the control node")
        return
    if not lacks_stacked_ca(run):
        host.noop("the CA is the one that this strategy wants")
        return
    _refuse_another_in_use(run)
    yield action(lambda: _adopt(run))


def lacks_stacked_ca(run: Run) -> bool:
    """True where the migration is live and the PKI has yet to get the stacked etcd's CA.

    Raises OperationError, all problems shown, where that CA can't sign. Once it is in the PKI no master
    needs its key.
    """
    if run.rehearses or cluster_phase(run.topology, known_masters(run)) is Phase.EXTERNAL:
        return False  # no member shares its cluster with a stacked one, or API servers are past them
    if strategy_of(run) is not Strategy.LIVE:
        return False
    try:
        found = known_authorities(run)
    except ProblemsError as error:
        raise refusal(error.problems) from None
    if _is_adopted(run, found):
        return False
    days = run.topology.settings.minimum_certificate_days
    problems = list(authority_problems(found, days, datetime.now(timezone.utc)))
    if problems:
        raise refusal(problems)
    return True


def _is_adopted(run: Run, found: Mapping[str, StackedAuthority]) -> bool:
    """Whether the PKI has the one CA of all masters, with its key."""
    try:
        pems = {one.pem for one in found.values()}
    except ValueError:
        return False
    return len(pems) == 1 and has_authority(run.directory / "pki", pems.pop())


def _refuse_another_in_use(run: Run) -> None:
    path = run.directory / "pki" / "ca.crt"
    # Where it is this one, its key alone was lost, and comes back.
    if has_certificate(run.directory / "pki", next(iter(known_authorities(run).values())).pem):
        return
    running = [
        name
        for name, one in known_etcd_hosts(run).items()
        if one.container == "running" and not one.has_rehearsal
    ]
    if path.exists() and (running or is_migrated(run)):
        users = ", ".join(running) or "an API server"
        raise refusal(
            [
                Problem(
                    "control node",
                    f"{path}, which is not the CA of the stacked etcd, and {users} in use",
                    "the CA by which they were made",
                    TO_DO.format(run.directory / "pki"),
                )
            ]
        )


def _adopt(run: Run) -> None:
    aside = run.directory / "previous-ca" / run.id
    if adopt(run.directory / "pki", _read(run), aside):
        logger.info(f"    another CA that was prepared here is kept in {aside}; no host uses it")
    # What was signed by the other one.
    run.cache.pop("pki", None)


def _read(run: Run) -> Pair:
    """The CA with its key, from the first master that has it. Raises OperationError."""
    name, one = next(item for item in known_authorities(run).items() if item[1].has_key)
    # Not as a fact or an operation's command: pyinfra prints what those put out.
    lines = run_script(inventory.get_host(name), "read-authority-key", one.key_path)
    try:
        return own_pair(one.certificate or "", only(parse_report(lines), "key") or "")
    except ValueError as error:
        raise OperationError(
            f"{name}: found {one.key_path}: {error}; expected the key of {one.path}; to do: put it right, or"
            f" {SNAPSHOT_INSTEAD}. Nothing was changed."
        ) from None
