"""A live migration that does not end: what it leaves by itself, and the rollback from half-way.

Writers go on all the time; nothing that they were promised may be missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.api import tls_context
from demo.writers import LOAD_BALANCER
from faults.control_plane import settle
from lab import Lab, Node
from lab.state import KUBECONFIG
from tests.commands import pyinfra
from tests.fresh import make_fresh
from tests.under_way import UnderWay, run_until
from tests.writing import lost, writing

pytestmark = pytest.mark.long

LIVE = ("-y", "--data", "strategy=live", "inventories/lab.py")
API_SERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"
# Peers of a member neither reach it nor are reached.
PEER_RULES = ("INPUT -p tcp --dport 2380 -j DROP", "OUTPUT -p tcp --dport 2380 -j DROP")


@pytest.fixture
def fresh_lab(lab: Lab) -> Lab:
    """The lab as a fresh stacked cluster, for each test anew."""
    make_fresh(lab)
    return lab


@contextmanager
def _nothing_lost(lab: Lab) -> Iterator[None]:
    """Writers through every API server and the load balancer; in the end nothing of theirs is missing."""
    with writing(lab, f"live-back-{int(time.time())}") as writers:
        yield
        assert settle(lab, tls_context(KUBECONFIG), writers, 90).is_whole
    missing = lost(lab, writers)
    gap = writers.records[LOAD_BALANCER].longest_gap().seconds
    print(f"{len(writers.acknowledged())} acknowledged writes, {len(missing)} lost; longest gap {gap:.2f} s")
    assert missing == []


def _at(step: str, *options: str) -> UnderWay:
    """A live migration that has come to this step."""
    return run_until(f"--> Starting operation: {step}", *options, *LIVE, "deploy.py")


def _manifests(lab: Lab) -> dict[str, str]:
    return {node.name: _output(lab, node, f"cat {API_SERVER}") for node in lab.masters}


def _output(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, output
    return output


def _listed(lab: Lab) -> dict[str, int]:
    """{name: id} of the stacked members' cluster, by kubectl and etcdctl in their own pods."""
    answer = json.loads(lab.etcdctl("member", "list", "-w", "json"))
    assert not any(one.get("isLearner") for one in answer["members"])
    return {one["name"]: one["ID"] for one in answer["members"]}


def _cluster_id(lab: Lab) -> int:
    answer: int = json.loads(lab.etcdctl("member", "list", "-w", "json"))["header"]["cluster_id"]
    return answer


def _refuse_left_on_etcd_hosts(lab: Lab) -> None:
    for node in lab.etcd:
        left = _output(lab, node, "docker ps --all --quiet; ls -A /var/lib/etcd-external").split()
        # The tool is prepare's, of a member that was not started.
        assert all(name.startswith("previous-") or name == "etcdutl" for name in left), left


def test_a_learner_that_never_catches_up_is_taken_out_again_with_all_that_was_added(fresh_lab: Lab) -> None:
    lab, second = fresh_lab, fresh_lab.etcd[1]
    manifests, members = _manifests(lab), _listed(lab)
    with _nothing_lost(lab):
        cut = " && ".join(f"iptables -w -I {rule}" for rule in PEER_RULES)
        run = _at("tasks/grow.py | Add etcd-2 as a learner", "--data", "start_timeout_seconds=20")
        _output(lab, second, cut)
        status, text = run.finish()
        _output(lab, second, " && ".join(f"iptables -w -D {rule}" for rule in PEER_RULES))
        assert status == 1, text
        assert "not caught up after 20 s" in text
        assert "--> the cluster consists of its stacked members again" in text
        assert "Traceback" not in text
        assert _listed(lab) == members
        assert _manifests(lab) == manifests
        _refuse_left_on_etcd_hosts(lab)


def test_the_next_run_migrates(lab: Lab) -> None:
    """After the one before, which went back: the cluster is the same one still."""
    cluster_id = _cluster_id(lab)
    with _nothing_lost(lab):
        outcome = pyinfra(*LIVE, "deploy.py")
        assert outcome.status == 0, outcome.text
    # By etcdctl beside the members.
    answer = json.loads(_output(lab, lab.etcd[0], "docker exec etcd etcdctl member list -w json"))
    assert answer["header"]["cluster_id"] == cluster_id
    assert sorted(one["name"] for one in answer["members"]) == sorted(node.name for node in lab.etcd)


def test_a_rollback_half_way_through_the_switch_returns_api_servers_and_members(fresh_lab: Lab) -> None:
    lab = fresh_lab
    manifests, members = _manifests(lab), _listed(lab)
    with _nothing_lost(lab):
        _at("tasks/switch.py | Switch the API server of master-2 to the external members").kill()
        assert _manifests(lab)["master-1"] != manifests["master-1"]
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
        assert outcome.status == 0, outcome.text
        assert "no stacked member has left" in outcome.text
        assert "6 voters: quorum 4, 2 may fail now" in outcome.text
        assert _manifests(lab) == manifests
        assert _listed(lab) == members
        _refuse_left_on_etcd_hosts(lab)
    outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
    assert outcome.status == 0, outcome.text
    assert "nothing to roll back" in outcome.text


def test_a_rollback_after_a_departure_lets_the_others_leave_and_brings_the_data_back(fresh_lab: Lab) -> None:
    lab = fresh_lab
    manifests, members = _manifests(lab), _listed(lab)
    with _nothing_lost(lab):
        _at("tasks/shrink.py | Remove the stacked member of master-2").kill()
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
        assert outcome.status == 0, outcome.text
        assert "its data goes back into the stacked members" in outcome.text
        assert _manifests(lab) == manifests
        assert set(_listed(lab)) == set(members)


def test_a_rollback_after_a_whole_live_migration_brings_the_data_back(fresh_lab: Lab) -> None:
    lab = fresh_lab
    manifests, members = _manifests(lab), _listed(lab)
    with _nothing_lost(lab):
        outcome = pyinfra(*LIVE, "deploy.py")
        assert outcome.status == 0, outcome.text
        outcome = pyinfra("-y", "inventories/lab.py", "tasks/rollback.py")
        assert outcome.status == 0, outcome.text
        assert _manifests(lab) == manifests
        assert set(_listed(lab)) == set(members)
