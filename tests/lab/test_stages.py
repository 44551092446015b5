"""Every stage runs alone, as a command of its own, and finds on the hosts what it needs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from faults import points
from lab import Lab
from tests.commands import REPOSITORY, pyinfra

STAGES = (
    "preflight",
    "pki",
    "prepare",
    "fence",
    "snapshot",
    "distribute",
    "restore",
    "start",
    "prove",
    "cutover",
    "confirm",
)


def test_stages_one_by_one_make_a_migration(fresh_lab: Lab) -> None:
    lab = fresh_lab
    lab.kubectl("create", "configmap", "before", "--from-literal=written=before")
    for stage in STAGES:
        outcome = pyinfra("-y", "inventories/lab.py", f"tasks/{stage}.py")
        assert outcome.status == 0, (stage, outcome.text)
        if stage == "restore":
            _tell_another_sum(lab)
    assert lab.kubectl("get", "configmap", "before", "-o", "jsonpath={.data.written}") == "before"
    servers = ",".join(f"https://{one.ip}:2379" for one in lab.etcd)
    for node in lab.masters:
        status, output = lab.exec(node, "tr '\\0' '\\n' < /proc/$(pgrep -x kube-apiserver)/cmdline")
        assert status == 0, output
        assert f"--etcd-servers={servers}" in output
    outcome = pyinfra("-y", "inventories/lab.py", "deploy.py")
    assert outcome.status == 0, outcome.text
    assert "Migrated already" in outcome.text
    assert not re.search(r"\] +Success", outcome.log)  # pyinfra's word for a host that was changed


def _tell_another_sum(lab: Lab) -> None:
    """As if one restore had come out with other pages: what the databases hold has to decide."""
    note = "/var/lib/etcd-external/restored.json"
    sum_of_nothing = hashlib.sha256(b"").hexdigest()
    edit = f's/"database_sha256": "[0-9a-f]*"/"database_sha256": "{sum_of_nothing}"/'
    status, output = lab.exec(lab.etcd[1], f"sed -i '{edit}' {note} && grep -c {sum_of_nothing} {note}")
    assert (status, output.strip()) == (0, "1"), output


def test_every_stage_of_the_deploy_is_a_task() -> None:
    deploy = (REPOSITORY / "deploy.py").read_text()
    assert points.stages(deploy, points.SNAPSHOT) == STAGES
    live = set(points.stages(deploy, points.LIVE))
    before, after = {"plan", "rehearse"}, {"rollback", "clean", "status", "probe", "decommission"}
    others = {*before, *after, "renew", "renew_ca", "restore_backup"}
    assert {path.stem for path in Path(REPOSITORY / "tasks").glob("*.py")} == {*STAGES, *live, *others}
