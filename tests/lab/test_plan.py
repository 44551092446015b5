"""The preview: it changes nothing anywhere, and lists the very files that the migration then changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import Lab
from tests import preview
from tests.commands import REPOSITORY, pyinfra, state_of

LONGEST_SECONDS = 15.0
PLANTED = "planted-7c1e90"
BROUGHT_BY_PKI = ("/etc/kubernetes/pki/etcd-external/", "/etc/etcd/pki/")


@dataclass(frozen=True)
class Everything:
    """All that a preview may not change, of the hosts and of the control node."""

    files: Mapping[str, Mapping[str, str]]
    containers: Mapping[str, str]
    processes: Mapping[str, str]
    members: str
    alarms: str
    control_node: Mapping[str, str]


def _everything(lab: Lab) -> Everything:
    # The kernel cuts names at 15 characters.
    components = "pgrep -x 'etcd|kube-apiserver|kube-controller|kube-scheduler'"
    etcd = lab.etcdctl("member", "list", "-w", "json"), lab.etcdctl("alarm", "list")
    return Everything(
        files={node.name: preview.files(lab, node) for node in (*lab.masters, *lab.etcd)},
        containers=state_of(lab),
        processes={node.name: preview.output(lab, node, components) for node in lab.masters},
        # The header carries a raft term and who answered.
        members=json.dumps(json.loads(etcd[0])["members"]),
        alarms=etcd[1],
        control_node=_control_node(),
    )


def _control_node() -> dict[str, str]:
    """{path below .unstack: mode and sha256}; empty where there is none."""
    found = {}
    for path in (place := REPOSITORY / ".unstack").rglob("*"):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(place).as_posix()] = f"{path.stat().st_mode:o} {content}"
    return found


@pytest.fixture(scope="module")
def fresh(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A fresh stacked cluster, and a control node that has never done anything."""
    if (REPOSITORY / ".unstack").exists():
        (REPOSITORY / ".unstack").rename(tmp_path_factory.mktemp("before") / "unstack")
    return fresh_lab


@pytest.fixture(scope="module")
def first(fresh: Lab) -> str:
    """The preview of the fresh cluster, made in a dry run that left everything as it was."""
    before = _everything(fresh)
    outcome, seconds = preview.previewed("--dry")
    assert outcome.status == 0, outcome.text
    assert _everything(fresh) == before
    print(f"\nthe preview took {seconds:.1f} s, pyinfra's start included")
    assert seconds < LONGEST_SECONDS
    return outcome.stdout


def test_a_run_changes_no_more_than_a_dry_run(fresh: Lab, first: str) -> None:
    before = _everything(fresh)
    outcome, seconds = preview.previewed("-y")
    assert outcome.status == 0, outcome.text
    assert _everything(fresh) == before
    assert before.control_node == {}
    assert seconds < LONGEST_SECONDS
    assert preview.listed(outcome.stdout) == preview.listed(first) != {}


def test_reads_like_a_page_of_plain_text(first: str) -> None:
    assert first.replace("\n", "").isprintable()
    assert max(map(len, first.splitlines())) <= 110
    for title in ("Where it stands", "Strategy", "Certificates", "Outage", "Quorum", "Point of no return"):
        assert f"\n\n{title}\n" in first, first
    assert "  Stacked: nothing has been moved." in first
    assert "The CA will be made" in first
    assert len(re.findall(r"process  etcd \(pid \d+\) stops in confirm", first)) == 3


def test_a_secret_is_masked_where_it_is_in_a_diff(fresh: Lab, first: str) -> None:
    where = ("-n", "kube-system")
    old = fresh.kubectl(
        *where, "get", "configmap", "kubeadm-config", "-o", "jsonpath={.data.ClusterConfiguration}"
    )

    def put(text: str) -> None:
        patch = json.dumps({"data": {"ClusterConfiguration": text}})
        fresh.kubectl(*where, "patch", "configmap", "kubeadm-config", "--patch", patch)

    put(old.replace("  local:\n", f"  local:\n    extraArgs:\n      some-token: {PLANTED}\n"))
    outcome, _ = preview.previewed("--dry")
    put(old)
    assert outcome.status == 0, outcome.text
    assert "-      some-token: ***" in outcome.stdout
    assert PLANTED not in outcome.text


def test_problems_are_shown_as_a_refusal(fresh: Lab, first: str) -> None:
    before = _everything(fresh)
    outcome, _ = preview.previewed("--dry", "--data", "disk_factor=1000000")
    assert outcome.status == 1, outcome.text
    assert "deploy.py would stop before any change, because of 3 problems." in outcome.stdout
    assert outcome.log.count("MiB free for /var/lib/etcd-external") == 3
    assert "Traceback" not in outcome.text
    assert preview.listed(outcome.stdout) == preview.listed(first)
    assert _everything(fresh) == before


def test_is_refused_beside_a_task_that_changes_something(fresh: Lab) -> None:
    before = _everything(fresh)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/plan.py", "deploy.py")
    assert outcome.status == 1, outcome.text
    assert "found tasks of different kinds" in outcome.log
    assert _everything(fresh) == before


def test_lists_the_files_that_the_migration_changes(fresh: Lab, first: str) -> None:
    nodes = (*fresh.masters, *fresh.etcd)
    before = {node.name: preview.files(fresh, node) for node in nodes}
    certificates = pyinfra("-y", "inventories/lab.py", "tasks/pki.py")
    assert certificates.status == 0, certificates.text
    outcome, _ = preview.previewed("--dry")
    assert outcome.status == 0, outcome.text
    second = preview.listed(outcome.stdout)
    # What was brought ahead is not listed any more, and nothing else has changed.
    assert second == {
        name: {path: kind for path, kind in files.items() if not path.startswith(BROUGHT_BY_PKI)}
        for name, files in preview.listed(first).items()
    }
    assert "The CA is there and is kept; of its certificates 8 are kept." in outcome.stdout
    for key in Path(REPOSITORY, ".unstack/lab/pki").rglob("*.key"):
        assert key.read_text().splitlines()[1] not in outcome.text
    migration = pyinfra("-y", "inventories/lab.py", "deploy.py")
    assert migration.status == 0, migration.text
    preview.compare(fresh, preview.listed(first), before)
    config = fresh.kubectl("-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", "yaml")
    for line in first.partition("\n\ncluster\n")[2].partition("\n\n")[0].splitlines():
        if line.startswith("      +") and not line.startswith("      +++"):
            assert line.removeprefix("      +").strip() in config


def test_a_migrated_cluster_has_nothing_to_change(fresh: Lab) -> None:
    before = _control_node()
    states = state_of(fresh)
    for options in (("--dry",), ("-y", "--dry"), ("--dry", "--json")):
        outcome, seconds = preview.previewed(*options)
        assert outcome.status == 0, outcome.text
        assert seconds < LONGEST_SECONDS
        assert "Migrated already: every API server is on the external etcd." in outcome.text
        assert preview.listed(outcome.stdout) == {}
    assert json.loads(outcome.stdout)["plan"] == []
    assert _control_node() == before
    assert state_of(fresh) == states
