"""Whom the members and API servers trust now, and how far the CA's rotation has brought each of them."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.cluster import known_masters, placed
from unstack.facts.hosts import ObservedTrust
from unstack.manifest import ManifestError, pki_directory
from unstack.pki import Rotation, rotation_of, signing_pem, trusted_pem
from unstack.run import Run, etcd_hosts, masters, on_each, read
from unstack.trust import Trust, sha256_of


def pki_of(run: Run) -> Path:
    """The PKI's directory on the control node."""
    return run.directory / "pki"


def note_of(run: Run) -> str:
    """Where a host notes what was started before its CA file was as it is (note_trust of library.sh)."""
    return f"/run/unstack/{run.topology.settings.cluster}.trust"


def ca_files(run: Run) -> dict[str, str]:
    """{host: path of the CA file that its member or API server reads}.

    Raises OperationError where a master's manifest leaves no place for it.
    """
    directory = run.topology.settings.etcd_config_directory
    files = {one.name: f"{directory}/pki/ca.crt" for one in run.topology.members}
    for name, observed in known_masters(run).items():
        try:
            files[name] = f"{pki_directory(placed(name, observed, run.topology).manifest)}/ca.crt"
        except ManifestError as error:
            raise OperationError(f"{name}: {error}") from None
    return files


def trusts(run: Run) -> dict[str, Trust]:
    """{host: whom its member or API server trusts}. Raises OperationError where one can't be read."""
    return on_each([*masters(), *etcd_hosts()], lambda one: _trust(one, run))


def _trust(one: Host, run: Run) -> Trust:
    member = one.name if run.topology.member(one.name) is not None else ""
    return read([one], ObservedTrust, note=note_of(run), ca=ca_files(run)[one.name], member=member)[one.name]


def is_past(run: Run, dropping: bool) -> bool:
    """True where the new CA signs already, so that the first of the two rounds is over."""
    return not dropping and rotation_of(pki_of(run)) is Rotation.SWITCHED


def wanted_pem(run: Run, dropping: bool) -> str | None:
    """What the CA files hold in this round; None in a plan, as long as it is still to be made."""
    directory = pki_of(run)
    if rotation_of(directory) is (Rotation.SWITCHED if dropping else Rotation.TRUSTING):
        return signing_pem(directory) if dropping else trusted_pem(directory)
    return None


def has_read(one: Host, run: Run, dropping: bool) -> bool:
    """True where a host's process trusts what this round is for, so that it stays as it is."""
    wanted = wanted_pem(run, dropping)
    if wanted is None:
        return is_past(run, dropping)
    return _trust(one, run).has_read(sha256_of(wanted))


def refuse_unread(run: Run, wanted: str) -> None:
    """Raises OperationError unless every member and API server has read a CA file of this text."""
    unread = [name for name, trust in trusts(run).items() if not trust.has_read(sha256_of(wanted))]
    if unread:
        raise OperationError(
            f"{', '.join(unread)}: found a process that began before its CA file was as it is; expected every"
            " member and API server to have read it; to do: run tasks/renew_ca.py again"
        )
