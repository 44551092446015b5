"""A backup restored into a cluster in use: the cluster of then, and nobody who keeps what came later."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.api import tls_context
from demo.pods import PAUSE_IMAGE
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.commands import PYINFRA, REPOSITORY, Outcome, pyinfra, state_of

INVENTORY = "inventories/lab.py"
TASK = "tasks/restore_backup.py"
DATA = "/var/lib/etcd-external"
MARK = "/etc/kubernetes/unstack/restoring"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SETTLED_SECONDS = 90.0
MARGIN = 1_000_000_000
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


def _run(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, command, output)
    return output


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {SETTLED_SECONDS:.0f} s in vain until {what}"
        time.sleep(0.5)


def _take_backup(lab: Lab, path: Path) -> Path:
    """By etcdctl, as docs/day2.md says, and brought to this machine."""
    node, file = lab.etcd[0], f"{DATA}/backup.db"
    _run(lab, node, "docker exec etcd etcdctl endpoint health")
    _run(lab, node, f"docker exec etcd etcdctl snapshot save {file}")
    path.write_bytes(base64.b64decode(_run(lab, node, f"base64 {file} && rm {file}")))
    return path


def _restore(*arguments: str) -> Outcome:
    return pyinfra("-y", *arguments, INVENTORY, TASK)


def _data(path: Path) -> tuple[str, str]:
    return ("--data", f"backup={path}")


def _config_maps(lab: Lab) -> dict[str, str]:
    """Name and UID of what this test has made in the namespace default."""
    listing = json.loads(lab.kubectl("get", "configmaps", "-o", "json"))
    names = {one["metadata"]["name"]: one["metadata"]["uid"] for one in listing["items"]}
    return {name: uid for name, uid in names.items() if name.startswith("restore-")}


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
    return bool(_run(lab, node, f"docker ps --quiet --filter name=k8s_pause_{pod}_").split())


def _statuses(lab: Lab) -> list[dict[str, int]]:
    text = _run(lab, lab.etcd[0], "docker exec etcd etcdctl endpoint status --cluster -w json")
    return [{**one["Status"], "revision": one["Status"]["header"]["revision"]} for one in json.loads(text)]


def _hashes(lab: Lab) -> set[tuple[int, int]]:
    """(HashKV, compact revision) of all members at one revision that all have."""
    revision = min(one["revision"] for one in _statuses(lab))
    command = f"docker exec etcd etcdctl endpoint hashkv --cluster --rev={revision} -w json"
    answers = [one["HashKV"] for one in json.loads(_run(lab, lab.etcd[0], command))]
    assert len(answers) == len(lab.etcd)
    return {(one["hash"], one["compact_revision"]) for one in answers}


def _processes(lab: Lab) -> dict[str, str]:
    """Process ids of the control plane, by master and component."""
    names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    # The kernel cuts the name of a process.
    return {f"{n.name} {c}": _run(lab, n, f"pgrep -x {c[:15]}").strip() for n in lab.masters for c in names}


def _marks(lab: Lab) -> list[str]:
    return [node.name for node in lab.masters if lab.exec(node, f"test -e {MARK}")[0] == 0]


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


@pytest.fixture(scope="module")
def backup(migrated_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A backup of the migrated lab."""
    return _take_backup(migrated_lab, tmp_path_factory.mktemp("backup") / "backup.db")


def _newer(content: bytes) -> bytes:
    """The same backup, made by etcd 3.6 as far as the file tells: its version changed, its sha256 right."""
    changed, count = re.subn(rb"clusterVersion3\.5\.0", b"clusterVersion3.6.0", content[:-32])
    assert count >= 1
    return changed + hashlib.sha256(changed).digest()


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
        "newer": (_newer(content), "a backup of etcd 3.6"),
    }
    before, processes = state_of(lab), _processes(lab)
    outcomes = {"": (_restore(), "command line: found no backup to restore; expected a file")}
    for name, (changed, found) in wrong.items():
        path = tmp_path / name
        path.write_bytes(changed)
        outcomes[name] = (_restore(*_data(path)), f"control node: found {path}")
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
    outcome = pyinfra("--dry", "--json", *_data(backup), INVENTORY, TASK)
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
    then = _config_maps(lab)
    path = _take_backup(lab, tmp_path / "backup.db")
    lab.kubectl("delete", "configmap", "restore-deleted-later")
    lab.kubectl("delete", "pod", "restore-deleted-later")
    lab.kubectl("create", "configmap", "restore-created-later")
    _make_pod(lab, "restore-created-later", second, tmp_path)
    listing = json.loads(lab.kubectl("get", "configmaps", "-o", "json"))
    watch = Watch(f"{first.ip}:6443", context, listing["metadata"]["resourceVersion"])
    lab.kubectl("create", "configmap", "restore-seen-by-the-watch")
    newest = max(one["revision"] for one in _statuses(lab))
    processes = _processes(lab)

    outcome = _restore(*_data(path))
    assert outcome.status == 0, outcome.text

    # The cluster of then, by kubectl and by the nodes' own engines.
    assert _config_maps(lab) == then
    assert watch.has_ended.wait(10)
    told = watch.resume()
    assert told["type"] == "ERROR", told
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired"), told  # type: ignore[index]
    _wait(lambda: _runs(lab, first, "restore-deleted-later"), "the kubelet runs what the backup has")
    _wait(lambda: not _runs(lab, second, "restore-created-later"), "the kubelet drops what it has not")
    lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
    now = _processes(lab)
    assert [name for name, pid in now.items() if pid == processes[name]] == []
    lab.kubectl("create", "configmap", "restore-written-after")

    # One cluster, above all that was seen; the way back is kept.
    assert len(_hashes(lab)) == 1
    notes = [json.loads(_run(lab, node, f"cat {DATA}/restored.json")) for node in lab.etcd]
    (bump,) = {note["bump"] for note in notes}
    (revision,) = {note["revision"] for note in notes}
    assert bump >= MARGIN + newest - revision
    for status in _statuses(lab):
        assert status["revision"] > revision + bump > newest + MARGIN - 1
    (run,) = {note["run"] for note in notes}
    for node in lab.etcd:
        _run(lab, node, f"test -s {DATA}/previous-{run}/member/snap/db")
    journal = [
        json.loads(line) for line in (REPOSITORY / ".unstack/lab/journal.jsonl").read_text().splitlines()
    ]
    assert [one["bump"] for one in journal if one["run"] == run and one["event"] == "revision bump"] == [bump]
    assert sum(one["run"] == run and one["event"] == "watch" for one in journal) == len(lab.masters)
    assert _marks(lab) == []
    assert "Migrated already" in pyinfra("-y", INVENTORY, "tasks/preflight.py").text


@pytest.mark.long
def test_a_restore_that_fails_before_its_data_is_used_puts_the_data_of_before_back(
    migrated_lab: Lab, backup: Path
) -> None:
    lab = migrated_lab
    names = {f"restore-kept-{number}" for number in range(3)}
    for name in names:
        lab.kubectl("create", "configmap", name)
    # Somebody listens where two of the members want to, from the moment they are stopped.
    listen = "timeout 22 socat TCP-LISTEN:2380,reuseaddr,fork /dev/null"
    busy = f"until {listen}; [ $? = 124 ]; do sleep 0.02; done"
    for node in lab.etcd[1:]:
        _run(lab, node, f"systemd-run -q --collect --unit=busy sh -c '{busy}'")
    newest = max(status["revision"] for status in _statuses(lab))
    outcome = _restore(*_data(backup), "--data", "start_timeout_seconds=15")
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    assert "putting the data of before back" in outcome.text, outcome.text
    assert names <= set(_config_maps(lab))
    _wait(lambda: len(_statuses(lab)) == len(lab.etcd), "every member answers")
    # Not those of the restored data.
    assert all(status["revision"] < newest + MARGIN for status in _statuses(lab))
    assert _marks(lab) == []
    lab.kubectl("delete", "configmap", *names)
    outcome = _restore(*_data(backup))
    assert outcome.status == 0, outcome.text


@pytest.mark.long
@pytest.mark.parametrize("stage", ["backup", "fence", "place", "prove", "return"])
def test_a_killed_restore_is_finished_by_the_same_command_and_by_no_other(
    migrated_lab: Lab, backup: Path, tmp_path: Path, stage: str
) -> None:
    lab = migrated_lab
    lab.kubectl("create", "configmap", f"restore-lost-{stage}")
    first = subprocess.Popen(
        [str(PYINFRA), "-y", *_data(backup), INVENTORY, TASK],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stderr is not None
    for line in first.stderr:
        if f"=== {stage} ===" in line:
            break
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=30)
    assert _marks(lab) == [node.name for node in lab.masters]
    for task in ("deploy.py", "tasks/rollback.py"):
        outcome = pyinfra("-y", INVENTORY, task)
        assert outcome.status == 1, outcome.text
        assert "found a restore of a backup that was begun by run" in outcome.text, outcome.text
    other = tmp_path / "other.db"
    content = _newer(backup.read_bytes()).replace(b"clusterVersion3.6.0", b"clusterVersion3.5.1")[:-32]
    other.write_bytes(content + hashlib.sha256(content).digest())
    outcome = _restore(*_data(other))
    assert outcome.status == 1, outcome.text
    assert "has begun to restore another backup and not finished" in outcome.text, outcome.text

    outcome = _restore(*_data(backup))
    assert outcome.status == 0, outcome.text
    assert f"restore-lost-{stage}" not in _config_maps(lab)
    assert len(_hashes(lab)) == 1
    assert len({_run(lab, node, f"cat {DATA}/restored.json | jq .bump") for node in lab.etcd}) == 1
    assert _marks(lab) == []
    lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
