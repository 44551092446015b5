"""What a run leaves: what was kept where, the versions that took part, and the way back from here."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from unstack.report.model import Ending, Kept, Proof, Version, WayBack
from unstack.report.source import Line, Source

_API_SERVER_IMAGE = re.compile(r"image:\s*[\"']?\S*kube-apiserver[^:\s\"']*:([\w.+-]+)")
# It is run from a checkout: nothing is installed that could be asked.
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_VERSION = re.compile(r'^version = "(.*)"$', re.MULTILINE)
_ROLLBACK = "pyinfra INVENTORY tasks/rollback.py"
_DEPLOY = "pyinfra INVENTORY deploy.py"


def what_was_kept(source: Source, ending: Ending) -> Iterator[Kept]:
    """Files and directories by host; words where only the host itself knows the path."""
    settings, topology = source.topology.settings, source.topology
    masters = ", ".join(one.name for one in topology.masters)
    members = ", ".join(one.name for one in topology.members)
    if ending.after == "external":
        files = "kube-apiserver.yaml"
        files += ", etcd.yaml and the stacked etcd's restore tool" if ending.stacked_at_rest else ""
        yield Kept(f"the old manifests: {files}", masters, f"{settings.kept_directory}/stacked")
        config = f"{settings.kept_directory}/stacked/ClusterConfiguration.yaml"
        if ending.stacked_at_rest:
            yield Kept("kubeadm's old configuration", topology.masters[0].name, config)
            archive = f"{settings.state_directory}/stacked-etcd-*.tar.gz, if it was archived"
            where = "/var/lib/etcd, or where etcd.yaml says"
            is_gone = "decommissioned" in source.results
            yield Kept("the stacked etcd's data, as it was", masters, archive if is_gone else where)
    elif ending.result in ("brought back", "rolled back"):
        aside = f"{settings.etcd_data_directory}/previous-*"
        yield Kept("data of the external members, if they had any", members, aside)
    if ending.result == "rolled back" and ending.before == "external":
        path = f"/var/lib/etcd/.unstack-previous-{source.run}, or where etcd.yaml says"
        yield Kept("the stacked members' data from before the rollback", masters, path)
    if ending.result == "restored":
        aside = f"{settings.etcd_data_directory}/previous-{source.results['restored']['run']}"
        yield Kept("the members' data from before the restore", members, aside)
    for line in source.own():
        if line["event"] == "snapshot" and not source.is_rehearsal:
            yield Kept(
                _snapshot(line), str(line["host"]), f"{settings.state_directory}/snapshot-{source.run}.db"
            )
        if line["event"] == "backup":
            yield Kept(f"a backup: {_snapshot(line)}", str(line["host"]), str(line["path"]))
    if (source.directory / "pki").is_dir():
        yield Kept(
            "certificates, keys and the CA's key of the external cluster",
            "control node",
            f"{source.directory}/pki",
        )
    yield Kept("the journal of all runs", "control node", f"{source.directory}/journal.jsonl")
    yield Kept("this report", "control node", f"{source.directory}/reports/{source.run}")


def _snapshot(line: Line) -> str:
    size = f", {int(line['bytes']):,} bytes" if "bytes" in line else ""
    return f"the snapshot at revision {line['revision']}{size}, sha256 {line['sha256']}"


def versions(source: Source, proof: Proof | None) -> Iterator[Version]:
    """Of this tool, of what it runs on, and of what it moved, as far as the run has seen them."""
    yield Version("unstack", _own_version())
    yield Version("pyinfra", version("pyinfra"))
    yield Version("Python", platform.python_version())
    images = (_API_SERVER_IMAGE.search(change.new) for change in source.changes)
    for tag in sorted({found[1] for found in images if found}):
        yield Version("kube-apiserver", tag)
    for side in ("stacked", "external"):
        found = sorted({one.version for one in proof.members if one.side == side}) if proof else []
        if found:
            yield Version(f"{side} etcd, as its members say", ", ".join(found))
    yield Version("image of the external members", source.topology.settings.etcd_image)


def _own_version() -> str:
    found = _VERSION.search(_PROJECT.read_text(encoding="utf-8")) if _PROJECT.exists() else None
    return found[1] if found else "unknown"


def way_back(source: Source, ending: Ending) -> WayBack:
    """How to roll back from where this run ended."""
    if "decommissioned" in source.results:
        return WayBack("There is no way back: the stacked etcd was decommissioned.", "")
    if ending.after == "external":
        return WayBack(
            "This brings the control plane back to the stacked etcd with everything that was written"
            " since: fence, snapshot of the external cluster, restore into each stacked member, proof, old"
            " manifests. It needs what is kept on the masters; tasks/clean.py leaves that alone.",
            _ROLLBACK,
        )
    if ending.after == "stacked":
        return WayBack(
            "There is nothing to roll back: the control plane runs on the stacked etcd. This begins the"
            " migration anew.",
            _DEPLOY,
        )
    if not source.is_rollback and not {"fence", "cutover", "grow", "switch"} & set(source.planned):
        return WayBack("There is nothing to roll back. Run the same task again to go on.", "")
    return WayBack(
        "Run deploy.py again to go on. This goes back; it finds out by itself how far back it is, and does"
        " nothing where the control plane runs on the stacked etcd.",
        _ROLLBACK,
    )
