"""The files that deploy.py would write on the masters, or take away."""

from __future__ import annotations

from collections.abc import Iterator

from unstack.kubeadm import KubeadmConfigError, with_external_etcd
from unstack.manifest import ManifestError, pki_directory
from unstack.observations import COMPONENTS
from unstack.placement import Phase, Placed, Placement, external_manifest
from unstack.preview.live import backup_files
from unstack.preview.source import RUN, FileChange, Kind, Source, becoming, removals
from unstack.report.diff import diff_lines
from unstack.report.source import Change

API_SERVER = "kube-apiserver"
CONFIG_MAP = "ConfigMap kube-system/kubeadm-config"
_CLIENT = "apiserver-client"


def master_files(source: Source, name: str) -> list[FileChange]:
    """Every change on a master, in the order of the stages; raises ManifestError where it can't be told."""
    here = source.cluster.placed(name)
    if here is None:
        raise ManifestError("its kube-apiserver.yaml can't be read")
    found: list[FileChange] = []
    if here.placement is Placement.EXTERNAL:
        found += _leftovers(source, name)
    else:
        found += [*_certificates(source, name, here), *_api_server(source, name, here)]
    found += _controllers(source, name)
    if name == source.cluster.topology.masters[0].name:
        if source.is_live:
            found += backup_files(source, name)
        elif source.phase is Phase.STACKED:
            found += _snapshot(source, name)
        found += _kept_configuration(source, name)
    return [*found, *_retired(source, name), *_records(source, name, here)]


def _certificates(source: Source, name: str, here: Placed) -> Iterator[FileChange]:
    directory = pki_directory(here.manifest)
    pair = source.pki.leaves.get(_CLIENT)
    for file, text, note in (
        ("ca.crt", source.pki.ca_certificate_pem, "the external cluster's CA certificate"),
        ("client.crt", pair.certificate_pem if pair else None, "the API servers' client certificate"),
        ("client.key", pair.private_key_pem if pair else None, "its key, which is never shown"),
    ):
        yield from becoming(source, name, f"{directory}/{file}", text, note)


def _api_server(source: Source, name: str, here: Placed) -> Iterator[FileChange]:
    settings = source.cluster.topology.settings
    kept = settings.kept_directory
    new = external_manifest(here, source.cluster.topology, source.cluster.manifest_template)
    live = f"{settings.manifests_directory}/{API_SERVER}.yaml"
    prepared = f"{kept}/prepared/{API_SERVER}.yaml"
    stage = "switch" if source.is_live else "cutover"
    yield from becoming(source, name, prepared, new, f"the manifest that goes in with the {stage}")
    stacked = f"{kept}/stacked/{API_SERVER}.yaml"
    yield from becoming(source, name, stacked, here.text, "the present manifest, for the way back")
    note = "only its etcd settings differ"
    if here.placement is Placement.FENCED:
        yield FileChange(f"{kept}/fenced/{API_SERVER}.yaml", Kind.REMOVED, "taken away by an earlier run")
        note = f"from the one in {kept}/fenced; {note}"
    kind = Kind.NEW if here.placement is Placement.FENCED else Kind.CHANGED
    diff = diff_lines(Change(name, live, here.text, new))
    yield FileChange(live, kind, note, diff)


def _leftovers(source: Source, name: str) -> Iterator[FileChange]:
    """What a run left that died around the cutover of this master."""
    settings, master = source.cluster.topology.settings, source.cluster.masters[name]
    if API_SERVER in master.fenced:
        yield FileChange(
            f"{settings.kept_directory}/fenced/{API_SERVER}.yaml", Kind.REMOVED, "left by an earlier run"
        )
    if API_SERVER not in master.live:
        path = f"{settings.manifests_directory}/{API_SERVER}.yaml"
        yield FileChange(path, Kind.NEW, "the fenced manifest, which names the external etcd already")


def _controllers(source: Source, name: str) -> Iterator[FileChange]:
    """Those that an earlier run took away; otherwise they leave and come back as they are."""
    settings, master = source.cluster.topology.settings, source.cluster.masters[name]
    for component in COMPONENTS[1:]:
        if component in master.fenced:
            fenced = f"{settings.kept_directory}/fenced/{component}.yaml"
            yield FileChange(fenced, Kind.REMOVED, "taken away by an earlier run")
            live = f"{settings.manifests_directory}/{component}.yaml"
            kind = Kind.CHANGED if component in master.live else Kind.NEW
            yield FileChange(live, kind, "the fenced manifest, as it is")


def _snapshot(source: Source, name: str) -> Iterator[FileChange]:
    directory = source.cluster.topology.settings.state_directory
    yield from removals(source, name, (f"{directory}/snapshot-", ".db"), "an earlier run's snapshot")
    yield FileChange(f"{directory}/snapshot-{RUN}.db", Kind.NEW, "the snapshot, mode 0600")
    yield from becoming(source, name, f"{directory}/snapshot.json", None, "its sha256 and revision")


def _retired(source: Source, name: str) -> Iterator[FileChange]:
    """The stacked etcd's manifest and restore tool, once everything is confirmed or its member has left."""
    settings = source.cluster.topology.settings
    text = source.cluster.masters[name].live.get("etcd")
    if text is None:
        return
    stacked = f"{settings.kept_directory}/stacked"
    yield from becoming(source, name, f"{stacked}/etcd.yaml", text, "the stacked etcd's manifest, kept")
    if source.on_disk(name, f"{stacked}/etcdutl") is None:
        yield FileChange(f"{stacked}/etcdutl", Kind.NEW, "the stacked etcd's restore tool, for a rollback")
    path = f"{settings.manifests_directory}/etcd.yaml"
    yield FileChange(path, Kind.REMOVED, f"kept in {stacked}; the data directory stays as it is")


def _records(source: Source, name: str, here: Placed) -> Iterator[FileChange]:
    """The record of the confirmation; those of an earlier move are of no meaning any more."""
    kept, master = source.cluster.topology.settings.kept_directory, source.cluster.masters[name]
    is_moved = here.placement is Placement.EXTERNAL
    if not is_moved:
        for mark, is_there in (
            ("decommissioning", master.decommissioning),
            ("decommissioned", master.decommissioned),
        ):
            if is_there:
                yield FileChange(f"{kept}/{mark}", Kind.REMOVED, "of an earlier move")
    if master.confirmed is None or not is_moved:
        kind = Kind.NEW if master.confirmed is None else Kind.CHANGED
        yield FileChange(f"{kept}/confirmed", kind, "since when the external etcd is confirmed to be in use")


def _kept_configuration(source: Source, name: str) -> list[FileChange]:
    """kubeadm's old ClusterConfiguration; where no API server answers it is taken to be unmerged."""
    kept = f"{source.cluster.topology.settings.kept_directory}/stacked/ClusterConfiguration.yaml"
    note = "kubeadm's present ClusterConfiguration, kept"
    text = source.cluster.kubeadm_config
    if text is None:
        present = source.on_disk(name, kept) is not None
        return [] if present else [FileChange(kept, Kind.NEW, f"{note} (no API server answers now)")]
    # As the host has it after it came through standard input: with one newline at its end.
    written = text.removesuffix("\n") + "\n"
    return becoming(source, name, kept, written, note) if config_map(source) is not None else []


def config_map(source: Source) -> FileChange | None:
    """What becomes of kubeadm-config; None where it stays, or where nobody could be asked.

    What can't be merged is a problem that preflight tells.
    """
    cluster = source.cluster
    here = cluster.placed(cluster.topology.masters[0].name) if cluster.masters else None
    if cluster.kubeadm_config is None or here is None:
        return None
    try:
        directory = pki_directory(here.manifest)
        new = with_external_etcd(
            cluster.kubeadm_config,
            endpoints=cluster.topology.client_urls,
            cafile=f"{directory}/ca.crt",
            certfile=f"{directory}/client.crt",
            keyfile=f"{directory}/client.key",
        )
    except (KubeadmConfigError, ManifestError):
        return None
    diff = diff_lines(Change("cluster", "ClusterConfiguration", cluster.kubeadm_config, new))
    change = FileChange(CONFIG_MAP, Kind.CHANGED, "only its etcd section differs", diff)
    return change if diff else None
