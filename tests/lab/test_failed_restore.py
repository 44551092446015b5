"""A restore of a backup that fails or is killed: goes back whole, or is finished by the same command."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab import Lab
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
    wait_for,
)
from tests.commands import pyinfra
from tests.under_way import run_until


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
        on_host(lab, node, f"systemd-run -q --collect --unit=busy sh -c '{busy}'")
    newest = max(status["revision"] for status in statuses(lab))
    outcome = restore(*backup_option(backup), "--data", "start_timeout_seconds=15")
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    assert "putting the data of before back" in outcome.text, outcome.text
    assert names <= set(config_maps(lab))
    wait_for(lambda: len(statuses(lab)) == len(lab.etcd), "every member answers")
    # Not those of the restored data.
    assert all(status["revision"] < newest + MARGIN for status in statuses(lab))
    assert marked_masters(lab) == []
    lab.kubectl("delete", "configmap", *names)
    outcome = restore(*backup_option(backup))
    assert outcome.status == 0, outcome.text


@pytest.mark.long
@pytest.mark.parametrize("stage", ["backup", "fence", "place", "prove", "return"])
def test_a_killed_restore_is_finished_by_the_same_command_and_by_no_other(
    migrated_lab: Lab, backup: Path, tmp_path: Path, stage: str
) -> None:
    lab = migrated_lab
    lab.kubectl("create", "configmap", f"restore-lost-{stage}")
    run_until(f"=== {stage} ===", "-y", *backup_option(backup), INVENTORY, TASK).kill()
    assert marked_masters(lab) == [node.name for node in lab.masters]
    for task in ("deploy.py", "tasks/rollback.py"):
        outcome = pyinfra("-y", INVENTORY, task)
        assert outcome.status == 1, outcome.text
        assert "found a restore of a backup that was begun by run" in outcome.text, outcome.text
    other = tmp_path / "other.db"
    content = made_newer(backup.read_bytes()).replace(b"clusterVersion3.6.0", b"clusterVersion3.5.1")[:-32]
    other.write_bytes(content + hashlib.sha256(content).digest())
    outcome = restore(*backup_option(other))
    assert outcome.status == 1, outcome.text
    assert "has begun to restore another backup and not finished" in outcome.text, outcome.text

    outcome = restore(*backup_option(backup))
    assert outcome.status == 0, outcome.text
    assert f"restore-lost-{stage}" not in config_maps(lab)
    assert len(hashes(lab)) == 1
    assert len({on_host(lab, node, f"cat {DATA}/restored.json | jq .bump") for node in lab.etcd}) == 1
    assert marked_masters(lab) == []
    lab.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
