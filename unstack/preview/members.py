"""The files that deploy.py would write on the external members' hosts, or take away."""

from __future__ import annotations

from collections.abc import Iterator

from unstack.compose import render_compose
from unstack.placement import Phase
from unstack.preview.live import is_listed
from unstack.preview.source import RUN, FileChange, Kind, Source, becoming, removals, sha256_of
from unstack.report.diff import diff_lines
from unstack.report.source import Change
from unstack.topology import Member


def member_files(source: Source, member: Member) -> list[FileChange]:
    """Every change on a member's host, in the order of the stages; none once the cluster is in use.

    In a live migration its last step is another compose file than the one that it joined by.
    """
    if source.phase is not Phase.STACKED:
        return list(_compose(source, member)) if source.is_live else []
    return [*_certificates(source, member), *_compose(source, member), *_data(source, member)]


def _certificates(source: Source, member: Member) -> Iterator[FileChange]:
    directory = f"{source.cluster.topology.settings.etcd_config_directory}/pki"
    authority = source.pki.ca_certificate_pem
    yield from becoming(
        source, member.name, f"{directory}/ca.crt", authority, "the external cluster's CA certificate"
    )
    for file, leaf, what in (
        ("server", f"members/{member.name}/server", "the member's server certificate"),
        ("peer", f"members/{member.name}/peer", "the member's peer certificate"),
        ("operator-client", "operator-client", "the operators' client certificate"),
    ):
        pair = source.pki.leaves.get(leaf)
        texts = (pair.certificate_pem, pair.private_key_pem) if pair else (None, None)
        yield from becoming(source, member.name, f"{directory}/{file}.crt", texts[0], what)
        yield from becoming(
            source, member.name, f"{directory}/{file}.key", texts[1], "its key, which is never shown"
        )


def _compose(source: Source, member: Member) -> Iterator[FileChange]:
    topology = source.cluster.topology
    path = f"{topology.settings.etcd_config_directory}/docker-compose.yaml"
    new = render_compose(topology, member, source.compose_template)
    present = source.on_disk(member.name, path)
    if present == sha256_of(new):
        return
    old = source.files[member.name].text or ""
    diff = diff_lines(Change(member.name, path, old, new))
    kind = Kind.NEW if present is None else Kind.CHANGED
    note = f"image {topology.settings.etcd_image}"
    if source.is_live:
        note += "; as it joins, with the members of that moment"
    yield FileChange(path, kind, note, diff)


def _data(source: Source, member: Member) -> Iterator[FileChange]:
    """What is copied and restored. An unfinished run's data is set aside, never written over."""
    if source.is_live and is_listed(source, member.name):
        return
    host = source.cluster.etcd_hosts[member.name]
    directory = source.cluster.topology.settings.etcd_data_directory
    if not source.is_live:
        yield from removals(
            source, member.name, (f"{directory}/snapshot-", ".db"), "an earlier run's copy of its snapshot"
        )
    yield from removals(
        source, member.name, (f"{directory}/etcdutl", "etcdutl"), "used by the restore, then removed"
    )
    note = "that the member has joined the cluster"
    if not source.is_live:
        yield FileChange(f"{directory}/snapshot-{RUN}.db", Kind.NEW, "the copy of the snapshot, mode 0600")
        note = "from what the member was restored"
    yield from becoming(source, member.name, f"{directory}/restored.json", None, note)
    if host.has_data:
        yield FileChange(f"{directory}/previous-{RUN}/", Kind.NEW, "an unfinished run's data, kept")
    kind = Kind.CHANGED if host.has_data else Kind.NEW
    what = "the member's data, from the others" if source.is_live else "the restored member"
    yield FileChange(f"{directory}/data/", kind, f"{what}, mode 0700")
