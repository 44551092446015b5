"""Certificates and keys: made on the control node, brought to the hosts that use them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone

from gevent.lock import RLock
from pyinfra import host
from pyinfra.api import FunctionCommand, QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.facts.files import Sha256File

from unstack.facts.cluster import is_migrated, observe_master, placed
from unstack.guard import Commands, is_executing, step
from unstack.manifest import ManifestError, pki_directory
from unstack.pki import Pki, ensure_pki, lint
from unstack.placement import Placement
from unstack.problems import ProblemsError
from unstack.run import Run, refusal

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
    if (run.directory / "pki" / "ca.crt").exists() and not is_executing():
        host.noop("the certificates exist; those about to expire are made anew")
        return
    yield FunctionCommand(load_pki, (run,), {})


# One greenlet at a time: the PKI's directory is locked by the process, so a second greenlet that
# asked for the lock while the first waits for the disk would stop the whole process for good.
_LOADING = RLock()


def load_pki(run: Run) -> Pki:
    """The run's certificates, made where missing and linted. Raises OperationError, all shown."""
    with _LOADING:
        if "pki" not in run.cache:
            run.cache["pki"] = _make_pki(run)
        pki: Pki = run.cache["pki"]
        return pki


def _make_pki(run: Run) -> Pki:
    now = datetime.now(timezone.utc)
    try:
        pki = ensure_pki(run.directory / "pki", run.topology, now)
    except ProblemsError as error:
        raise refusal(error.problems, "No host was changed.") from None
    problems = lint(pki, run.topology, now)
    if problems:
        raise refusal(problems, "No certificate was used.")
    return pki


@step
def install_member_pki(run: Run) -> Commands:
    """
    Bring a member its own server and peer pair, the CA certificate and the operators' client pair.

    + run: this run
    """
    member = run.topology.member(host.name)
    if member is None:
        raise OperationError(f"{host.name} is no external member")
    if is_migrated(run):
        host.noop("the external cluster is in use with the certificates it has")
        return
    directory = f"{run.topology.settings.etcd_config_directory}/pki"
    if not is_executing() and not (run.directory / "pki" / "ca.crt").exists():
        yield StringCommand("install certificates into", QuoteString(directory))
        return
    pki = load_pki(run)
    server, peer = pki.server[host.name], pki.peer[host.name]
    yield from _install(
        directory,
        {
            "ca.crt": pki.ca_certificate_pem,
            "server.crt": server.certificate_pem,
            "server.key": server.private_key_pem,
            "peer.crt": peer.certificate_pem,
            "peer.key": peer.private_key_pem,
            "operator-client.crt": pki.operator_client.certificate_pem,
            "operator-client.key": pki.operator_client.private_key_pem,
        },
    )


@step
def install_apiserver_pki(run: Run) -> Commands:
    """
    Bring a master the CA certificate and the API servers' client pair, beside the stacked ones.

    + run: this run
    """
    here = placed(host.name, observe_master(host, run.topology), run.topology)
    if here.placement is Placement.EXTERNAL:
        host.noop("this master uses its client pair already")
        return
    try:
        directory = pki_directory(here.manifest)
    except ManifestError as error:
        raise OperationError(f"{host.name}: {error}") from None
    if not is_executing() and not (run.directory / "pki" / "ca.crt").exists():
        yield StringCommand("install certificates into", QuoteString(directory))
        return
    pki = load_pki(run)
    yield from _install(
        directory,
        {
            "ca.crt": pki.ca_certificate_pem,
            "client.crt": pki.apiserver_client.certificate_pem,
            "client.key": pki.apiserver_client.private_key_pem,
        },
    )


def _install(directory: str, files: Mapping[str, str]) -> Commands:
    present = True
    for name, content in files.items():
        path = f"{directory}/{name}"
        if host.get_fact(Sha256File, path=path) != hashlib.sha256(content.encode()).hexdigest():
            present = False
            yield from put_file(path, content, KEY_MODE if name.endswith(".key") else CERTIFICATE_MODE)
    if present:
        host.noop(f"{directory} holds them already")


def put_file(path: str, content: str, mode: str) -> Commands:
    """Write a file that is whole, and private from its first byte, whenever anybody looks.

    Its content travels on standard input: arguments can be read by every user of the host, and
    pyinfra's `files.put` leaves a key readable by all for a moment (docs/decisions.md).
    """
    directory = path.rsplit("/", 1)[0]
    temporary = f"{path}.new"
    yield StringCommand(
        *("umask 077 && mkdir -p", QuoteString(directory), "&& rm -f", QuoteString(temporary)),
        *("&& cat >", QuoteString(temporary), "&& chmod", mode, QuoteString(temporary)),
        *("&& sync", QuoteString(temporary), "&& mv -f", QuoteString(temporary), QuoteString(path)),
        # pyinfra ends standard input with a newline of its own.
        _stdin=content.removesuffix("\n"),
    )
