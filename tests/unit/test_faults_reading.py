"""How the fault matrix reads where a run ended and what control plane there is."""

import json

from demo.processes import COMPONENTS, Process
from faults.control_plane import judge
from faults.journal import Place, last_place
from faults.journal import started as started_in
from lab.shape import Shape, plan

STAGES = ("fence", "snapshot", "restore")
LAB = plan(Shape(), "10.0.0.0/24")

# Where it ended.


def journal(*events):
    return "".join(json.dumps(event) + "\n" for event in events)


def started(operation):
    return {"event": "start", "operation": operation}


def recorded(operation, result="ok"):
    return {"event": "operation", "operation": operation, "host": "master-1", "result": result}


def test_a_run_was_last_in_the_operation_that_it_started():
    text = journal(
        started("tasks/fence.py | === fence ==="),
        recorded("tasks/fence.py | === fence ==="),
        started("pause before-snapshot"),
        recorded("pause before-snapshot"),
        started("tasks/snapshot.py | Take the snapshot"),
    )
    assert last_place(text, STAGES) == Place("snapshot", "Take the snapshot")


def test_without_start_lines_a_run_was_last_in_the_first_stage_that_did_not_end():
    text = journal(recorded("tasks/fence.py | === fence ==="), recorded("pause before-snapshot"))
    assert last_place(text, STAGES) == Place("snapshot", "")
    failed = journal(recorded("tasks/fence.py | Fence", "failed"))
    assert last_place(text + "cut off {" + "\n" + failed, STAGES) == Place("snapshot", "")
    assert last_place(failed, STAGES) == Place("fence", "Fence")
    assert last_place("", STAGES) == Place("fence", "")


def test_a_run_that_ended_every_stage_was_last_nowhere():
    text = journal(*(recorded(f"tasks/{stage}.py | === {stage} ===") for stage in STAGES))
    assert last_place(text + journal(recorded("tasks/restore.py | Tell")), STAGES) is None


def test_tells_the_operations_that_were_started_since(tmp_path):
    file = tmp_path / "journal.jsonl"
    file.write_text(journal(started("tasks/fence.py | Fence")))
    position = file.stat().st_size
    with file.open("a") as stream:
        stream.write(journal(started("tasks/grow.py | Add etcd-1"), recorded("tasks/grow.py | Let it vote")))
    assert started_in(file, position) == [Place("grow", "Add etcd-1")]
    assert started_in(file, 0)[0] == Place("fence", "Fence")


# The control plane.


def processes(**servers):
    """One of each component on every master; `servers`: {master with _ for -: its etcd-servers}."""
    return [
        Process(
            node.name,
            component,
            pid=1,
            started=1.0,
            etcd_servers=servers.get(node.name.replace("-", "_"), ("https://127.0.0.1:2379",))
            if component == COMPONENTS[0]
            else (),
        )
        for node in LAB.masters
        for component in COMPONENTS
    ]


EXTERNAL = tuple(f"https://{node.ip}:2379" for node in LAB.etcd)
READY = {node.name for node in LAB.masters}


def judged(running, ready=frozenset(READY), silent=()):
    return judge(LAB.masters, LAB.etcd, running, ready, silent)


def test_a_whole_control_plane_is_old_or_new():
    own = (f"https://{LAB.masters[1].ip}:2379",)
    assert judged(processes(master_2=own)).state == "old"
    assert judged(processes(master_1=EXTERNAL, master_2=EXTERNAL[::-1], master_3=EXTERNAL)).state == "new"


def test_a_control_plane_is_mixed_while_anything_is_missing():
    assert judged(processes()[:-1]).details == ("master-3: 0 processes of kube-scheduler, expected 1",)
    assert judged(processes(), {"master-1", "master-3"}).details == ("master-2: API server not ready",)
    assert judged(processes(), silent=["load-balancer"]).details == ("load-balancer: no write acknowledged",)
    assert judged(processes()[:-1]).state == "mixed"


def test_a_control_plane_on_both_etcd_clusters_is_split():
    split = judged(processes(master_2=EXTERNAL))
    assert (split.state, split.is_split) == ("mixed", True)
    assert split.details[0] == "master-1 on the old etcd, master-2 on the new etcd, master-3 on the old etcd"
    third = judged(processes(master_2=("https://10.9.9.9:2379",)))
    assert (third.state, third.is_split) == ("mixed", False)


def test_a_control_plane_on_old_and_new_members_of_one_cluster_is_whole():
    running = processes(master_2=EXTERNAL)
    joint = judge(LAB.masters, LAB.etcd, running, READY, is_one_cluster=True)
    assert (joint.state, joint.is_split, joint.is_whole) == ("joint", False, True)
    unready = judge(LAB.masters, LAB.etcd, running, {"master-1"}, is_one_cluster=True)
    assert (unready.state, unready.is_split) == ("mixed", False)


def test_a_control_plane_without_an_api_server_is_down():
    controllers = [process for process in processes() if process.component != COMPONENTS[0]]
    assert judged(controllers, set()).state == "down"


def test_other_masters_do_not_count():
    running = [process for process in processes() if process.master != "master-3"]
    assert judge(LAB.masters[:2], LAB.etcd, running, READY).state == "old"
