"""The preview of deploy.py: reads all hosts and prints; writes nothing anywhere."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime, timezone

import click
from pyinfra import host, inventory
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.facts.hosts import ObservedFiles
from unstack.facts.stacked_authority import stacked_authorities
from unstack.facts.whole_cluster import read_cluster, with_kubeadm_config
from unstack.manifest import ManifestError, pki_directory
from unstack.observations import FilesOnDisk
from unstack.pki import AuthorityState, ForeseenPki, foresee_adopted, foresee_pki, has_authority
from unstack.placement import Phase
from unstack.preflight import Cluster, judge
from unstack.preview import Rehearsal, Source, preview, read_rehearsal
from unstack.problems import Problem, ProblemsError
from unstack.run import TEMPLATES, Run, etcd_hosts, masters, on_each, refusal
from unstack.stacked_authority import authority_problems
from unstack.strategy import Strategy

REHEARSAL = "rehearsal.json"


def show_preview(run: Run) -> None:
    """Print the preview, once a process, on standard output; with pyinfra's --json on standard error.

    + run: this run, which only reads

    No operation: pyinfra would call one twice, or with `-y --dry` never. Raises OperationError, after
    the preview, with every problem by which deploy.py would refuse.
    """
    if host.name != next(iter((*masters(), *etcd_hosts()))).name:
        return
    source = _read(run)
    click.echo(preview(source), nl=False, err="--json" in sys.argv)
    if source.problems:
        raise refusal(source.problems)


def _read(run: Run) -> Source:
    cluster = read_cluster(run)
    now = datetime.now(timezone.utc)
    problems = set(judge(cluster))
    pki = _pki(run, cluster, now)
    if cluster.phase is Phase.EXTERNAL:
        cluster = with_kubeadm_config(cluster)
    else:
        problems |= set(pki.problems)
    asked = [inventory.get_host(name) for name in (*cluster.masters, *cluster.etcd_hosts)]
    found = on_each(asked, lambda one: _files(one, cluster))
    problems |= {
        Problem(name, "unreadable files", "their list", "see the error above this line")
        for name, files in found.items()
        if files is None
    }
    return Source(
        cluster=cluster,
        files={name: files for name, files in found.items() if files is not None},
        pki=pki,
        compose_template=(TEMPLATES / "docker-compose.yaml.j2").read_text(encoding="utf-8"),
        rehearsal=_rehearsal(run),
        problems=tuple(sorted(problems)),
        now=now,
    )


def _pki(run: Run, cluster: Cluster, now: datetime) -> ForeseenPki:
    """What becomes of the certificates; refused where this user may not read them."""
    try:
        if cluster.strategy is Strategy.LIVE and cluster.phase is not Phase.EXTERNAL:
            adopted = _adopted(run, cluster, now)
            if adopted is not None:
                return adopted
        return foresee_pki(run.directory / "pki", run.topology, now)
    except OSError as error:
        problem = Problem(
            "control node",
            f"{error.filename}: {error.strerror}",
            "a directory that this user can read: it holds the CA's key",
            "run this as the user who runs deploy.py",
        )
        return ForeseenPki(AuthorityState.REFUSED, problems=(problem,))


def _adopted(run: Run, cluster: Cluster, now: datetime) -> ForeseenPki | None:
    """The PKI with the stacked etcd's CA, unless it is there, or can't sign: preflight names that."""
    try:
        found = cluster.joining.authorities if cluster.joining else stacked_authorities(cluster.masters)
    except (OperationError, ProblemsError):
        return None
    if not found or any(authority_problems(found, run.topology.settings.minimum_certificate_days, now)):
        return None
    pem = next(iter(found.values())).pem
    return None if has_authority(run.directory / "pki", pem) else foresee_adopted(run.topology, pem)


def _files(one: Host, cluster: Cluster) -> FilesOnDisk | None:
    settings = cluster.topology.settings
    text = ""
    if one.name in cluster.masters:
        kept = settings.kept_directory
        directories = [settings.state_directory, settings.backup_directory]
        directories += [f"{kept}/{name}" for name in ("prepared", "stacked")]
        here = cluster.placed(one.name)
        with suppress(ManifestError):  # a rule of preflight's
            directories += [] if here is None else [pki_directory(here.manifest)]
    else:
        config = settings.etcd_config_directory
        directories = [config, f"{config}/pki", settings.etcd_data_directory]
        text = f"{config}/docker-compose.yaml"
    found: FilesOnDisk | None = one.get_fact(
        ObservedFiles, directories=tuple(directories), text=text, _ignore_errors=True
    )
    return found


def _rehearsal(run: Run) -> Rehearsal | None:
    try:
        return read_rehearsal((run.directory / REHEARSAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
