"""A new CA for the external cluster in use: trusted beside the old one, then signing, then alone.

etcd and API servers read their CA file at their start alone, so it takes two rounds of restarts
(`unstack.operations.restart`). In between every pair is made anew and brought without a restart.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import partial

from pyinfra import host, logger
from pyinfra.api import QuoteString, StringCommand

from unstack.facts.cluster import cluster_phase, known_masters
from unstack.facts.trust import ca_files, is_past, pki_of, refuse_unread, trusts, wanted_pem
from unstack.guard import Commands, action, is_executing, step
from unstack.observations import COMPONENTS
from unstack.operations.pki import apiserver_pair, install, load_pki, member_pairs, present_files
from unstack.operations.restart import ANSWER_SECONDS, await_api_servers, await_members
from unstack.pki import (
    Rotation,
    ensure_next_authority,
    pems_on_hosts,
    retire,
    rotation_of,
    rotation_problems,
    signing_pem,
    switch,
    trusted_pem,
)
from unstack.placement import Phase, restores_begun
from unstack.problems import Problem, ProblemsError
from unstack.run import Run, refusal
from unstack.scripts import script
from unstack.trust import trust_problems


@step
def check_rotation(run: Run) -> Commands:
    """
    Refuse a cluster whose CA can't be replaced now, before anything is changed.

    + run: this run

    In a dry run too. Where a killed rotation has just restarted something, its start is waited for.
    """
    if host.name != run.lead():
        host.noop(f"all hosts are examined from {run.lead()}")
        return
    directory = pki_of(run)
    problems = _unfinished(run) or rotation_problems(directory, datetime.now(timezone.utc))
    if problems:
        raise refusal(problems)
    under_way = rotation_of(directory) is not Rotation.NONE
    settings = run.topology.settings
    problems = trust_problems(trusts(run), ca_files(run), pems_on_hosts(directory)) + await_members(
        run, settings.start_timeout_seconds if under_way else ANSWER_SECONDS
    )
    if problems:
        raise refusal(problems)
    await_api_servers(run, settings.ready_timeout_seconds if under_way else ANSWER_SECONDS)
    if is_executing():
        run.on_failure = partial(_tell, run)
        if len(run.topology.masters) == 1:
            logger.warning("    one master: the API is away while its API server restarts, twice")
    host.noop(rotation_of(directory).value)
    return
    yield


def _tell(run: Run) -> None:
    """What a run that has failed leaves: nothing has to be mended, as both CAs are trusted."""
    logger.warning(
        f"--> the rotation of the CA is not finished: {rotation_of(pki_of(run)).value}; to do: mend what"
        " failed, then run tasks/renew_ca.py again, which goes on from here"
    )


def _unfinished(run: Run) -> list[Problem]:
    """Masters on which anything but a migrated and confirmed control plane is found."""
    topology, seen = run.topology, known_masters(run)
    if cluster_phase(topology, seen) is not Phase.EXTERNAL:
        return [
            Problem(
                "cluster",
                "a cluster that is not migrated",
                "every master on the external etcd",
                "run deploy.py: the stacked etcd's CA is kubeadm's",
            )
        ]
    return restores_begun(seen) + [
        Problem(
            name,
            "a rollback that was begun and not finished" if one.is_returning else "an unfinished migration",
            "a whole control plane on the external etcd, confirmed",
            "finish it by tasks/rollback.py" if one.is_returning else "finish it by deploy.py",
        )
        for name, one in seen.items()
        if one.is_returning or one.fenced or "etcd" in one.live or not set(COMPONENTS) <= set(one.live)
    ]


@step
def make_new_ca(run: Run) -> Commands:
    """
    Make the new CA on the control node, beside the old one.

    + run: this run

    With the settings `pki.ca`. Its key never leaves the control node.
    """
    if host.name != run.lead():
        host.noop("the CA is made on the control node")
        return
    if rotation_of(pki_of(run)) is not Rotation.NONE:
        host.noop("the new CA is made")
        return
    yield action(lambda: _make_new_ca(run))


def _make_new_ca(run: Run) -> None:
    try:
        ensure_next_authority(pki_of(run), run.topology, datetime.now(timezone.utc))
    except ProblemsError as error:
        raise refusal(error.problems, "No host was changed.") from None


@step
def bring_trust(run: Run, dropping: bool) -> Commands:
    """
    Bring a host its CA file: both CAs, or the new one alone.

    + run: this run
    + dropping: the new one alone, which every other certificate on the host has to fit already
    """
    if is_past(run, dropping):
        host.noop("the new CA signs already")
        return
    ca = ca_files(run)[host.name]
    content = wanted_pem(run, dropping)
    if content is None:
        yield StringCommand("install", QuoteString(ca))
        return
    directory = ca.removesuffix("/ca.crt")
    proof = _try_pair(run, directory) if dropping else None
    yield from install(directory, present_files(directory, ["ca.crt"]), {"ca.crt": content}, proof)


@step
def sign_anew(run: Run) -> Commands:
    """
    Let the new CA sign, and make every certificate below it anew on the control node.

    + run: this run

    Only once every member and API server is seen to have read both CAs.
    """
    if host.name != run.lead():
        host.noop("the certificates are made on the control node")
        return
    if not is_executing() and rotation_of(pki_of(run)) is Rotation.SWITCHED:
        host.noop("the new CA signs already")
        return
    yield action(lambda: _sign_anew(run))


def _sign_anew(run: Run) -> None:
    directory = pki_of(run)
    if rotation_of(directory) is Rotation.TRUSTING:
        refuse_unread(run, trusted_pem(directory))
        switch(directory)
    load_pki(run)


@step
def bring_pairs(run: Run) -> Commands:
    """
    Bring a host its pairs of the new CA, which are read with the next handshake or connection.

    + run: this run

    Before they go into place each host tries one of them with every member.
    """
    directory = ca_files(run)[host.name].removesuffix("/ca.crt")
    if not is_executing() and rotation_of(pki_of(run)) is not Rotation.SWITCHED:
        yield StringCommand("install certificates into", QuoteString(directory))
        return
    pki = load_pki(run)
    files = apiserver_pair(pki) if run.topology.member(host.name) is None else member_pairs(pki, host.name)
    yield from install(directory, present_files(directory, files), files, _try_pair(run, directory))


def _try_pair(run: Run, directory: str) -> StringCommand:
    ca = f"{directory}/ca.crt"
    if run.topology.member(host.name) is not None:
        pair = (f"{directory}/operator-client.crt", f"{directory}/operator-client.key")
        return script("try-pair-of-member", host.name, ca, *pair)
    pair = (f"{directory}/client.crt", f"{directory}/client.key")
    return script("try-pair-of-client", ca, *pair, *run.topology.client_urls)


@step
def retire_ca(run: Run) -> Commands:
    """
    End the rotation: the old CA is kept aside on the control node, beside its PKI.

    + run: this run

    Only once every member and API server is seen to trust the new CA alone.
    """
    if host.name != run.lead():
        host.noop("the old CA is on the control node")
        return
    yield action(lambda: _retire_ca(run))


def _retire_ca(run: Run) -> None:
    refuse_unread(run, signing_pem(pki_of(run)))
    aside = run.directory / "previous-ca" / run.id
    retire(pki_of(run), aside)
    run.on_failure = None
    logger.info(f"    the old CA is kept in {aside}; nothing trusts it any more")
