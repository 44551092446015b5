"""The dry run is true: every step, in the order in which it will run, and nothing is changed."""

from __future__ import annotations

import json

from lab import Lab
from tests.commands import Outcome, pyinfra, state_of

# The story of a migration. What pyinfra merges the hosts' operations into must be exactly this.
BEFORE = [
    "preflight.py | Examine every host",
    "preflight.py | === preflight ===",
    "pki.py | Adopt the stacked etcd's CA for a live migration",
    "pki.py | --- CA chosen ---",
    "pki.py | Make the external cluster's certificates on the control node",
    "pki.py | --- certificates made ---",
    "pki.py | Install the member's certificates",
    "pki.py | Install the API server's client certificate",
    "pki.py | === pki ===",
    "prepare.py | Clear away what a rehearsal left",
    "prepare.py | Pull the etcd image",
    "prepare.py | Prepare the new kube-apiserver manifest",
    "prepare.py | Write the member's compose file",
    "prepare.py | Create the member's container",
    "prepare.py | --- prepared ---",
    "prepare.py | Time pods beforehand",
    "prepare.py | === prepare ===",
]
AFTERWARDS = [
    "confirm.py | Check that no stacked etcd is a member of the external cluster",
    "confirm.py | Write and read through every API server",
    "confirm.py | Wait for the leases of components and nodes",
    "confirm.py | --- confirmed ---",
    "confirm.py | Merge the external endpoints into kubeadm-config",
    "confirm.py | Let kubeadm prove that it keeps the external etcd",
    "confirm.py | Time pods after the migration",
    "confirm.py | --- pods timed ---",
    "confirm.py | Stop the stacked etcd, its data kept",
    "confirm.py | --- retired ---",
    "confirm.py | Show members, status and health",
    "confirm.py | --- healthy ---",
    "confirm.py | Record the confirmation",
    "confirm.py | === confirm ===",
    "confirm.py | Write the run's outcome",
]
ORDER = [
    *BEFORE,
    "fence.py | Fence: stop API server, controller-manager and scheduler",
    "fence.py | === fence ===",
    "snapshot.py | Take the snapshot of the fenced cluster",
    "snapshot.py | === snapshot ===",
    "distribute.py | Copy the snapshot to every member's host",
    "distribute.py | === copy ===",
    "restore.py | Restore the member from the snapshot",
    "restore.py | === restore ===",
    "start.py | Start the members, and read the stacked ones",
    "start.py | === start ===",
    "prove.py | Compare every member, old and new",
    "prove.py | === prove ===",
    "cutover.py | Compare every member, unless this run has done so",
    "cutover.py | Check that the new manifests fit the old ones",
    "cutover.py | --- proven ---",
    "cutover.py | Put the new kube-apiserver manifest in place",
    "cutover.py | Wait for the API server on the external etcd",
    "cutover.py | Let go of the stopped controllers' leases",
    "cutover.py | Start controller-manager and scheduler",
    "cutover.py | === cutover ===",
    *AFTERWARDS,
]

# That of a live migration, from where it differs.
LIVE = [
    "grow.py | Take a backup of the cluster, which goes on",
    "grow.py | --- backed up ---",
    "grow.py | Add etcd-1 as a learner",
    "grow.py | Start etcd-1 and let it catch up",
    "grow.py | Let etcd-1 vote",
    "grow.py | Add etcd-2 as a learner",
    "grow.py | Start etcd-2 and let it catch up",
    "grow.py | Let etcd-2 vote",
    "grow.py | Add etcd-3 as a learner",
    "grow.py | Start etcd-3 and let it catch up",
    "grow.py | Let etcd-3 vote",
    "grow.py | Compare every voter, stacked and external",
    "grow.py | === grow ===",
    "switch.py | Switch the API server of master-1 to the external members",
    "switch.py | Switch the API server of master-2 to the external members",
    "switch.py | Switch the API server of master-3 to the external members",
    "switch.py | === switch ===",
    "shrink.py | Keep the stacked etcd's restore tool",
    "shrink.py | --- tool kept ---",
    "shrink.py | Bring the tool to masters whose stacked etcd gave none",
    "shrink.py | Move the lead to an external member",
    "shrink.py | Remove the stacked member of master-1",
    "shrink.py | Remove the stacked member of master-2",
    "shrink.py | Remove the stacked member of master-3",
    "shrink.py | === shrink ===",
    "settle.py | Restart etcd-1 by its ordinary compose file",
    "settle.py | Restart etcd-2 by its ordinary compose file",
    "settle.py | Restart etcd-3 by its ordinary compose file",
    "settle.py | Compare every member once more",
    "settle.py | === settle ===",
]

# That of a rehearsal, which has no fence.
REHEARSAL = [
    "Examine every host",
    "--- examined ---",
    "Refuse where a migration has begun",
    "=== preflight ===",
    "Make the external cluster's certificates on the control node",
    "--- certificates made ---",
    "Clear away what a rehearsal left",
    "--- cleared ---",
    "Install the member's certificates",
    "Put the API server's client certificate apart",
    "Pull the etcd image",
    "Put the new kube-apiserver manifest apart",
    "Write the member's compose file",
    "Create the member's container",
    "=== prepare ===",
    "Take a snapshot of the cluster, which goes on",
    "=== snapshot ===",
    "Read the stacked members at the snapshot's revision",
    "=== read ===",
    "Copy the snapshot to every member's host",
    "=== copy ===",
    "Restore the member from the snapshot",
    "=== restore ===",
    "Start the members",
    "=== start ===",
    "Compact the members as far as the stacked ones are",
    "=== compact ===",
    "Compare every member, old and new",
    "=== prove ===",
    "Try the new manifest, without starting it",
    "=== try ===",
    "Remove the members, their data and the snapshot",
    "=== rehearsal ===",
    "Tell the outage to expect",
]

MASTERS = {"master-1", "master-2", "master-3"}
ETCD = {"etcd-1", "etcd-2", "etcd-3"}
# Steps that change something on a fresh stacked cluster, and where.
CHANGES = {
    "Install the member's certificates": ETCD,
    "Install the API server's client certificate": MASTERS,
    "Prepare the new kube-apiserver manifest": MASTERS,
    "Write the member's compose file": ETCD,
    "Create the member's container": ETCD,
    "Fence: stop API server, controller-manager and scheduler": MASTERS,
    "Take the snapshot of the fenced cluster": {"master-1"},
    "Copy the snapshot to every member's host": {"master-1"},
    "Restore the member from the snapshot": ETCD,
    "Start the members, and read the stacked ones": ETCD,
    "Put the new kube-apiserver manifest in place": MASTERS,
    "Wait for the API server on the external etcd": MASTERS,
    "Start controller-manager and scheduler": MASTERS,
    "Write and read through every API server": MASTERS,
    "Merge the external endpoints into kubeadm-config": {"master-1"},
    "Stop the stacked etcd, its data kept": MASTERS,
    "Record the confirmation": MASTERS,
}


# Steps of a live migration that change something, and whose names say no host.
LIVE_ALONE = {
    "Take a backup of the cluster, which goes on": {"master-1"},
    "Keep the stacked etcd's restore tool": MASTERS,
    "Move the lead to an external member": {"master-1"},
}


def _plan(outcome: Outcome) -> dict[str, set[str]]:
    assert outcome.status == 0, outcome.text
    plan = json.loads(outcome.stdout)["plan"]
    return {step["name"].removeprefix("tasks/"): set(step["hosts_with_change"]) for step in plan}


def test_dry_run_lists_every_step_in_order_and_changes_nothing(fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    plan = _plan(pyinfra("--dry", "--json", "inventories/lab.py", "deploy.py"))
    assert list(plan) == ORDER
    changes = {name.partition(" | ")[2]: hosts for name, hosts in plan.items() if hosts}
    # The certificates may exist on the control node from an earlier run.
    changes.pop("Make the external cluster's certificates on the control node", None)
    assert changes == CHANGES
    assert state_of(fresh_lab) == before


def test_a_live_migrations_dry_run_lists_every_step_in_order_and_changes_nothing(fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    plan = _plan(pyinfra("--dry", "--json", "inventories/lab.py", "deploy.py", "--data", "strategy=live"))
    assert list(plan) == [*BEFORE, *LIVE, *AFTERWARDS]
    changes = {name.partition(" | ")[2]: hosts for name, hosts in plan.items() if hosts}
    for name in LIVE:
        step = name.partition(" | ")[2]
        named = (MASTERS | ETCD) & set(step.split())
        # Every step is its host's alone, and each of them changes something there.
        assert changes.get(step, set()) == (named or LIVE_ALONE.get(step, set())), step
    assert state_of(fresh_lab) == before


def test_a_rehearsals_dry_run_lists_every_step_in_order_and_changes_nothing(fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    plan = _plan(pyinfra("--dry", "--json", "inventories/lab.py", "tasks/rehearse.py"))
    assert list(plan) == REHEARSAL
    assert state_of(fresh_lab) == before


def test_a_rehearsal_beside_a_migration_is_refused(fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    for files in (("deploy.py", "tasks/rehearse.py"), ("tasks/rehearse.py", "deploy.py")):
        outcome = pyinfra("-y", "inventories/lab.py", *files)
        assert outcome.status == 1, (files, outcome.text)
        assert "found tasks of different kinds" in outcome.text
        assert "Traceback" not in outcome.text
    assert state_of(fresh_lab) == before


def test_refuses_options_that_would_break_the_order(fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    for options in (("--no-wait",), ("--serial",), ("--limit", "masters"), ("--exclude", "etcd-2")):
        outcome = pyinfra("-y", *options, "inventories/lab.py", "deploy.py")
        assert outcome.status == 1, (options, outcome.text)
        assert options[0].removeprefix("--exclude") in outcome.text
        assert "Traceback" not in outcome.text
    assert state_of(fresh_lab) == before
