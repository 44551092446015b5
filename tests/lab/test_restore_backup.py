"""A backup restored into a cluster in use: the cluster of then, and nobody who keeps what came later."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path

from demo.api import tls_context
from demo.pods import PAUSE_IMAGE
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.backups import (
    DATA,
    INVENTORY,
    MARGIN,
    TASK,
    backup_option,
    config_maps,
    hashes,
    made_newer,
    marked_masters,
    on_host,
    restore,
    statuses,
    take_backup,
    wait_for,
)
from tests.commands import REPOSITORY, pyinfra, state_of

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
# What pyinfra merges the hosts' operations into.
ORDER = [
    "Check the backup and the cluster",
    "--- checked ---",
    "Bring the backup to every member's host",
    "--- brought ---",
    "Restore the backup beside the member's data",
    "--- restored beside ---",
    "Compare what every member has restored",
    "Mark the restore",
    "=== backup ===",
    "Fence: stop API server, controller-manager and scheduler",
    "=== fence ===",
    "Put the restored data in place, the member's own kept",
    "=== place ===",
    "Start the members on the restored data",
    "=== start ===",
    "Compare every member",
    "=== prove ===",
    "Mark the restored data as in use",
    "--- in use ---",
    "Start the control plane, and see it have old watches list anew",
    "=== return ===",
    "Write and read through every API server",
    "--- written ---",
    "Wait for the leases of components and nodes",
    "Name nodes that the backup does not know",
    "Merge the external endpoints into kubeadm-config",
    "Show members, status and health",
    "--- healthy ---",
    "End the restore",
    "=== confirm ===",
    "Write the run's outcome",
]


def _make_pod(lab: Lab, name: str, node: Node, directory: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "nodeName": node.node_name,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "pause", "image": PAUSE_IMAGE, "imagePullPolicy": "IfNotPresent"}],
        },
    }
    file = directory / f"{name}.json"
    file.write_text(json.dumps(pod))
    lab.kubectl("apply", "-f", str(file))
    lab.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s", timeout_seconds=100)


def _runs(lab: Lab, node: Node, pod: str) -> bool:
    """By the node's own container engine."""
    return bool(on_host(lab, node, f"docker ps --quiet --filter name=k8s_pause_{pod}_").split())


def _processes(lab: Lab) -> dict[str, str]:
    """Process ids of the control plane, by master and component."""
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    # The kernel cuts the name of a process.
    return {
        f"{n.name} {c}": on_host(lab, n, f"pgrep -x {c[:15]}").strip() for n in lab.masters for c in names
    }


class Watch:
    """A client's open watch of ConfigMaps on one API server, and what it is told when it comes back."""

    def __init__(self, address: str, context: ssl.SSLContext, revision: str) -> None:
        self.address, self.context, self.revision = address, context, revision
        self.has_ended = threading.Event()
        self._response = self._ask(revision)
        assert self._response.status == http.HTTPStatus.OK
        threading.Thread(target=self._read, daemon=True).start()

    def _ask(self, revision: str) -> http.client.HTTPResponse:
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=300, context=self.context)
        connection.request("GET", f"{CONFIG_MAPS}?watch=true&timeoutSeconds=600&resourceVersion={revision}")
        return connection.getresponse()

    def _read(self) -> None:
        try:
            while line := self._response.readline():
                event = json.loads(line)
                self.revision = event["object"]["metadata"]["resourceVersion"]
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.has_ended.set()

    def resume(self) -> dict[str, object]:
        """The first event of a watch from the last revision that this client has seen."""
        answer: dict[str, object] = json.loads(self._ask(self.revision).readline())
        return answer


def test_what_is_no_backup_is_refused_before_anything_is_stopped(
    migrated_lab: Lab, backup: Path, tmp_path: Path
) -> None:
    lab, content = migrated_lab, backup.read_bytes()
    middle = len(content) // 2
    wrong = {
        "empty": (b"", "which is empty"),
        "truncated": (content[:-1000], "which does not end with a sha256"),
        "changed": (
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "whose own sha256 does not fit its content",
        ),
        "newer": (made_newer(content), "a backup of etcd 3.6"),
    }
    before, processes = state_of(lab), _processes(lab)
    outcomes = {"": (restore(), "command line: found no backup to restore; expected a file")}
    for name, (changed, found) in wrong.items():
        path = tmp_path / name
        path.write_bytes(changed)
        outcomes[name] = (restore(*backup_option(path)), f"control node: found {path}")
        assert found in outcomes[name][0].text, outcomes[name][0].text
    for name, (outcome, line) in outcomes.items():
        assert outcome.status == 1, (name, outcome.text)
        assert line in outcome.text, (name, outcome.text)
        assert "; to do: " in outcome.text
        assert "Nothing was changed" in outcome.text
        assert "Traceback" not in outcome.text
    assert state_of(lab) == before
    assert _processes(lab) == processes


def test_a_dry_run_lists_every_step_in_its_order_and_changes_nothing(migrated_lab: Lab, backup: Path) -> None:
    before = state_of(migrated_lab)
    outcome = pyinfra("--dry", "--json", *backup_option(backup), INVENTORY, TASK)
    assert outcome.status == 0, outcome.text
    plan = json.loads(outcome.stdout)["plan"]
    assert [step["name"] for step in plan] == ORDER
    changed = {step["name"]: set(step["hosts_with_change"]) for step in plan}
    assert changed["Put the restored data in place, the member's own kept"] == {"etcd-1", "etcd-2", "etcd-3"}
    assert changed["Mark the restore"] == {"master-1", "master-2", "master-3"}
    assert state_of(migrated_lab) == before


def test_a_restored_backup_is_the_cluster_of_then_and_no_client_keeps_what_came_later(
    migrated_lab: Lab, tmp_path: Path
) -> None:
    lab, context = migrated_lab, tls_context(KUBECONFIG)
    first, second = lab.masters[:2]
    lab.kubectl("create", "configmap", "restore-stays")
    lab.kubectl("create", "configmap", "restore-deleted-later")
    _make_pod(lab, "restore-deleted-later", first, tmp_path)
    then = config_maps(lab)
    path = take_backup(lab, tmp_path / "backup.db")
    lab.kubectl("delete", "configmap", "restore-deleted-later")
    lab.kubectl("delete", "pod", "restore-deleted-later")
    lab.kubectl("create", "configmap", "restore-created-later")
    _make_pod(lab, "restore-created-later", second, tmp_path)
    listing = json.loads(lab.kubectl("get", "configmaps", "-o", "json"))
    watch = Watch(f"{first.ip}:6443", context, listing["metadata"]["resourceVersion"])
    lab.kubectl("create", "configmap", "restore-seen-by-the-watch")
    newest = max(one["revision"] for one in statuses(lab))
    processes = _processes(lab)

    outcome = restore(*backup_option(path))
    assert outcome.status == 0, outcome.text

    # The cluster of then, by kubectl and by the nodes' own engines.
    assert config_maps(lab) == then
    assert watch.has_ended.wait(10)
    told = watch.resume()
    assert told["type"] == "ERROR", told
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired"), told  # type: ignore[index]
    wait_for(lambda: _runs(lab, first, "restore-deleted-later"), "the kubelet runs what the backup has")
    wait_for(lambda: not _runs(lab, second, "restore-created-later"), "the kubelet drops what it has not")
    lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    now = _processes(lab)
    assert [name for name, pid in now.items() if pid == processes[name]] == []
    lab.kubectl("create", "configmap", "restore-written-after")

    # One cluster, above all that was seen; the way back is kept.
    assert len(hashes(lab)) == 1
    notes = [json.loads(on_host(lab, node, f"cat {DATA}/restored.json")) for node in lab.etcd]
    (bump,) = {note["bump"] for note in notes}
    (revision,) = {note["revision"] for note in notes}
    assert bump >= MARGIN + newest - revision
    for status in statuses(lab):
        assert status["revision"] > revision + bump > newest + MARGIN - 1
    (run,) = {note["run"] for note in notes}
    for node in lab.etcd:
        on_host(lab, node, f"test -s {DATA}/previous-{run}/member/snap/db")
    journal = [
        json.loads(line) for line in (REPOSITORY / ".unstack/lab/journal.jsonl").read_text().splitlines()
    ]
    assert [one["bump"] for one in journal if one["run"] == run and one["event"] == "revision bump"] == [bump]
    assert sum(one["run"] == run and one["event"] == "watch" for one in journal) == len(lab.masters)
    assert marked_masters(lab) == []
    assert "Migrated already" in pyinfra("-y", INVENTORY, "tasks/preflight.py").text
