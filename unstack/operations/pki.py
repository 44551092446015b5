"""Certificates and keys: made on the control node, brought to the hosts that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from gevent.lock import RLock
from pyinfra import host
from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.facts.files import Sha256File

from unstack.facts.cluster import (
    cluster_phase,
    is_migrated,
    known_etcd_hosts,
    known_masters,
    observe_master,
    placed,
)
from unstack.guard import Commands, action, is_executing, step
from unstack.manifest import ManifestError, pki_directory
from unstack.operations.adopt_ca import lacks_stacked_ca
from unstack.pki import Pki, Rotation, ensure_pki, lint, rotation_of, trusted_pem
from unstack.pki.in_use import authority_problems
from unstack.placement import Phase, Placement
from unstack.problems import ProblemsError
from unstack.run import Run, refusal
from unstack.topology import Topology
from unstack.trust import sha256_of

CERTIFICATE_MODE = "0644"
KEY_MODE = "0600"


@step
def make_pki(run: Run) -> Commands:
    """
    Make the external cluster's CA and certificates on the control node, or keep those that are good.

    + run: this run

    The CA key never leaves the control node. Every certificate is linted before any is used: a
    cluster can look healthy with certificates that its peers reject.
    """
    if host.name != run.lead():
        host.noop("the certificates are made on the control node")
        return
    if is_migrated(run):
        host.noop("the external cluster is in use with the certificates it has")
        return
    if not is_executing() and _has_ca(run):
        host.noop("the certificates exist; those about to expire are made anew")
        return
    yield action(lambda: load_pki(run))


@step
def renew_leaves(run: Run) -> Commands:
    """
    Make every certificate below the CA anew on the control node.

    + run: this run

    For a cluster that is in use. The CA stays, so old and new certificates trust each other, and
    hosts may take theirs one after the other. Refused where the control node has another CA. While a
    rotation of the CA is under way hosts get both: one that was lost has to be made anew in it too.
    """
    if host.name != run.lead():
        host.noop("the certificates are made on the control node")
        return
    if cluster_phase(run.topology, known_masters(run)) is not Phase.EXTERNAL:
        raise OperationError(
            f"{host.name}: found a cluster that is not migrated; expected every master on the external"
            " etcd; to do: run deploy.py, which makes the certificates it needs"
        )
    path = f"{run.topology.settings.etcd_config_directory}/pki/ca.crt"
    trusted = {name: one.sha256.get(path) for name, one in known_etcd_hosts(run).items()}
    problems = authority_problems(run.directory / "pki", trusted, makes_new=run.topology.settings.new_ca)
    if problems:
        raise refusal(problems)
    yield action(lambda: load_pki(run, renew=True))


def _has_ca(run: Run) -> bool:
    """Whether the CA that is to sign is there; what another one has signed is of no use."""
    return (run.directory / "pki" / "ca.crt").exists() and not lacks_stacked_ca(run)


# One greenlet at a time: the PKI's directory is locked by the process, so a second greenlet that
# asked for the lock while the first waits for the disk would stop the whole process for good.
_LOADING = RLock()


def load_pki(run: Run, *, renew: bool = False) -> Pki:
    """The run's certificates, made where missing and linted. Raises OperationError, all shown."""
    with _LOADING:
        if renew or "pki" not in run.cache:
            run.cache["pki"] = _make_pki(run, renew)
        pki: Pki = run.cache["pki"]
        return pki


def _make_pki(run: Run, renew: bool) -> Pki:
    now = datetime.now(timezone.utc)
    try:
        pki = ensure_pki(run.directory / "pki", run.topology, now, renew=renew)
    except ProblemsError as error:
        raise refusal(error.problems, "No host was changed.") from None
    problems = lint(pki, run.topology, now)
    if problems:
        raise refusal(problems, "No certificate was used.")
    if rotation_of(run.directory / "pki") is not Rotation.NONE:
        return replace(pki, ca_certificate_pem=trusted_pem(run.directory / "pki"))
    return pki


@step
def install_member_pki(run: Run, renew: bool = False) -> Commands:
    """
    Bring a member its own server and peer pair, the CA certificate and the operators' client pair.

    + run: this run
    + renew: to a member in use too, which reads them anew with every handshake
    """
    member = run.topology.member(host.name)
    if member is None:
        raise OperationError(f"{host.name} is no external member")
    if is_migrated(run) and not renew:
        host.noop("the external cluster is in use with the certificates it has")
        return
    directory = f"{run.topology.settings.etcd_config_directory}/pki"
    if not is_executing() and not _has_ca(run):
        yield StringCommand("install certificates into", QuoteString(directory))
        return
    pki = load_pki(run)
    files = {"ca.crt": pki.ca_certificate_pem, **member_pairs(pki, host.name)}
    yield from install(directory, known_etcd_hosts(run)[host.name].sha256, files)


def member_pairs(pki: Pki, name: str) -> dict[str, str]:
    """The pairs that lie on a member's host, as {file: PEM}."""
    server, peer, operator = pki.server[name], pki.peer[name], pki.operator_client
    return {
        "server.crt": server.certificate_pem,
        "server.key": server.private_key_pem,
        "peer.crt": peer.certificate_pem,
        "peer.key": peer.private_key_pem,
        "operator-client.crt": operator.certificate_pem,
        "operator-client.key": operator.private_key_pem,
    }


@step
def install_apiserver_pki(run: Run, renew: bool = False) -> Commands:
    """
    Bring a master the CA certificate and the API servers' client pair, beside the stacked ones.

    + run: this run
    + renew: to an API server in use too, which reads them anew with every connection to etcd
    """
    here = placed(host.name, observe_master(host, run.topology), run.topology)
    if here.placement is Placement.EXTERNAL and not renew:
        host.noop("this master uses its client pair already")
        return
    try:
        # A rehearsal leaves /etc/kubernetes as it is.
        directory = rehearsed_pki(run.topology) if run.rehearses else pki_directory(here.manifest)
    except ManifestError as error:
        raise OperationError(f"{host.name}: {error}") from None
    if not is_executing() and not _has_ca(run):
        yield StringCommand("install certificates into", QuoteString(directory))
        return
    pki = load_pki(run)
    files = {"ca.crt": pki.ca_certificate_pem, **apiserver_pair(pki)}
    yield from install(directory, present_files(directory, files), files)


def rehearsed_pki(topology: Topology) -> str:
    """Where a rehearsal puts the API servers' client pair on a master."""
    return f"{topology.settings.state_directory}/pki"


def apiserver_pair(pki: Pki) -> dict[str, str]:
    """The API servers' client pair, as {file: PEM}."""
    pair = pki.apiserver_client
    return {"client.crt": pair.certificate_pem, "client.key": pair.private_key_pem}


def present_files(directory: str, names: Iterable[str]) -> dict[str, str | None]:
    """What of these files lies in a directory of this host now, as {path: sha256, in hexadecimal}."""
    paths = [f"{directory}/{name}" for name in names]
    return {path: host.get_fact(Sha256File, path=path) for path in paths}


def install(
    directory: str,
    present: Mapping[str, str | None],
    files: Mapping[str, str],
    proof: StringCommand | None = None,
) -> Commands:
    """Bring the files that are not there yet. `present`: {path: sha256, in hexadecimal}.

    `proof` is a command that has to succeed while they lie beside their places, as PATH.new.
    """
    paths = []
    for name, content in files.items():
        path = f"{directory}/{name}"
        if present.get(path) != sha256_of(content):
            paths.append(path)
            yield _beside(path, content, KEY_MODE if name.endswith(".key") else CERTIFICATE_MODE)
    if paths:
        if proof is not None:
            yield proof
        yield _into_place(*paths)
    else:
        host.noop(f"{directory} holds them already")


def put_file(path: str, content: str, mode: str) -> Commands:
    """Write a file that is whole, and private from its first byte, whenever anybody looks.

    Its content travels on standard input: arguments can be read by every user of the host, and
    pyinfra's `files.put` leaves a key readable by all for a moment (docs/decisions.md).
    """
    yield _beside(path, content, mode)
    yield _into_place(path)


def _beside(path: str, content: str, mode: str) -> StringCommand:
    directory = path.rsplit("/", 1)[0]
    temporary = f"{path}.new"
    return StringCommand(
        *("umask 077 && mkdir -p", QuoteString(directory), "&& rm -f", QuoteString(temporary)),
        *("&& cat >", QuoteString(temporary), "&& chmod", mode, QuoteString(temporary)),
        *("&& sync", QuoteString(temporary)),
        # pyinfra ends standard input with a newline of its own.
        _stdin=content.removesuffix("\n"),
    )


def _into_place(*paths: str) -> StringCommand:
    """Back to back: with a certificate and the key of another one every new handshake fails."""
    moves = [("mv -f", QuoteString(f"{path}.new"), QuoteString(path), "&&") for path in paths]
    return StringCommand(*(word for move in moves for word in move), "true")
