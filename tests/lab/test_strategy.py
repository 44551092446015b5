"""Which strategy is taken is tried on real hosts, told, and refused where it can't be kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import Lab, Node
from tests.commands import REPOSITORY, Outcome, pyinfra, state_of
from tests.lab.test_secrets import occurrences

PKI = REPOSITORY / ".unstack/lab/pki"
KUBEADMS = "/etc/kubernetes/pki/etcd"
CONDITIONS = ("version", "quorum", "data", "trust", "timing", "peer ports", "round trip", "disks")
LOUDEST = ("-vvv", "--debug", "--debug-all", "--diff", "-y", "--json")


@pytest.fixture(scope="module")
def fresh(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A fresh stacked cluster, and a control node that has never done anything."""
    if (REPOSITORY / ".unstack").exists():
        shutil.move(REPOSITORY / ".unstack", tmp_path_factory.mktemp("before"))
    return fresh_lab


def _run(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, output[-2000:])
    return output


def _deploy(strategy: str, *options: str) -> Outcome:
    data = ("--data", f"strategy={strategy}")
    return pyinfra(*(options or ("--dry", "--json")), *data, "inventories/lab.py", "deploy.py")


def _stages(outcome: Outcome) -> set[str]:
    assert outcome.status == 0, outcome.text
    return {step["name"].partition(" | ")[0] for step in json.loads(outcome.stdout)["plan"]}


@contextmanager
def _changed(lab: Lab, nodes: tuple[Node, ...], change: str, back: str) -> Iterator[None]:
    try:
        for node in nodes:
            _run(lab, node, change)
        yield
    finally:
        for node in nodes:
            _run(lab, node, back)


@contextmanager
def _filtered(lab: Lab) -> Iterator[None]:
    """etcd-2 answers nothing that master-1 sends to its peer port."""
    rule = f"INPUT -p tcp --dport 2380 -s {lab.masters[0].ip} -j DROP"
    with _changed(lab, (lab.etcd[1],), f"iptables -I {rule}", f"iptables -D {rule}"):
        yield


def test_auto_takes_live_where_nothing_is_in_its_way_and_says_what_it_has_seen(fresh: Lab) -> None:
    before = state_of(fresh)
    outcome = _deploy("auto")
    assert {"tasks/grow.py", "tasks/switch.py", "tasks/shrink.py", "tasks/settle.py"} <= _stages(outcome)
    assert outcome.log.count('strategy: live, as strategy is "auto"') == 1
    for name in CONDITIONS:
        assert outcome.log.count(f" {name}: ") == 1, outcome.log
    assert "etcd 3.5.30 joins etcd 3.5.1" in outcome.log
    assert f"{KUBEADMS}/ca.key, on master-1, master-2, master-3" in outcome.log
    assert state_of(fresh) == before
    for node in fresh.etcd:
        assert _run(fresh, node, "find / -xdev -name '.unstack-*' 2>/dev/null; :") == ""


def test_a_filter_and_a_key_that_is_kept_elsewhere_make_auto_take_the_snapshot(fresh: Lab) -> None:
    before = state_of(fresh)
    filtered = f"master-1: found no answer within 2 s for a connection to {fresh.etcd[1].ip}:2380"
    key = f"found no {KUBEADMS}/ca.key on any master"
    away = (f"mv {KUBEADMS}/ca.key /root/", f"mv /root/ca.key {KUBEADMS}/")
    with _filtered(fresh), _changed(fresh, fresh.masters, *away):
        outcome = _deploy("auto")
        stages = _stages(outcome)
        refused = _deploy("live", "-y")
    assert "tasks/fence.py" in stages
    assert "tasks/grow.py" not in stages
    assert f"peer ports, which live needs: {filtered}" in outcome.log
    assert key in outcome.log
    assert refused.status == 1, refused.text
    assert "Traceback" not in refused.text
    assert "2 problems, listed above. Nothing was changed." in refused.text
    assert refused.log.count(f"{filtered}; expected an answer") == 1
    assert refused.log.count(key) == 1
    assert refused.log.count('set strategy = "snapshot"') == 2
    assert state_of(fresh) == before


def test_an_old_image_is_refused_for_live_and_not_for_a_snapshot(fresh: Lab) -> None:
    old = ("--data", "etcd_image=unstack-lab/etcd:v3.5.16", "inventories/lab.py", "tasks/preflight.py")
    refused = pyinfra("-y", "--data", "strategy=live", *old)
    assert refused.status == 1, refused.text
    assert "(etcd 3.5.16); expected at least etcd 3.5.26 for members that join" in refused.log
    assert pyinfra("-y", *old).status == 0


def test_the_other_strategy_is_refused_while_live_is_under_way(fresh: Lab) -> None:
    peer = f"--peer-urls=https://{fresh.etcd[0].ip}:2380"
    added = json.loads(fresh.etcdctl("member", "add", "etcd-1", "--learner", peer, "-w", "json"))["member"]
    try:
        refused = _deploy("snapshot", "-y")
        auto = _deploy("auto")
        status = pyinfra("-y", "inventories/lab.py", "tasks/status.py")
        plan = pyinfra("--dry", "--data", "strategy=live", "inventories/lab.py", "tasks/plan.py")
    finally:
        fresh.etcdctl("member", "remove", f"{added['ID']:x}")
    assert refused.status == 1, refused.text
    found = "group_data: found the strategy snapshot while a live migration is under way: etcd-1 in the list"
    assert refused.log.count(found) == 1
    assert "1 problem, listed above. Nothing was changed." in refused.text
    assert "tasks/grow.py" in _stages(auto)
    assert "a migration of this strategy is under way: etcd-1 in the list" in auto.log
    assert "a live migration is under way" in status.log
    assert f"etcd-1: external member at https://{fresh.etcd[0].ip}:2380, learns" in status.log
    assert plan.status == 0, plan.text
    assert "etcd-1 learns; 3 of 3 stacked members are left" in " ".join(plan.stdout.split())


def test_the_stacked_ca_signs_and_its_key_shows_nowhere(fresh: Lab, tmp_path: Path) -> None:
    made = pyinfra("-y", "inventories/lab.py", "tasks/pki.py")
    assert made.status == 0, made.text
    prepared = (PKI / "ca.crt").read_text()
    outcome = pyinfra(*LOUDEST, "--data", "strategy=live", "inventories/lab.py", "tasks/pki.py")
    status = outcome.status
    assert status == 0, outcome.text[-2000:]
    assert "another CA that was prepared here is kept in .unstack/lab/previous-ca/" in outcome.log
    (aside,) = (REPOSITORY / ".unstack/lab/previous-ca").iterdir()
    assert (aside / "ca.crt").read_text() == prepared

    key = _run(fresh, fresh.masters[0], f"cat {KUBEADMS}/ca.key")
    is_the_same = (PKI / "ca.key").read_text() == key
    assert is_the_same
    assert (PKI / "ca.key").stat().st_mode & 0o777 == 0o600
    secret = {"ca.key": key.splitlines()[1:-2]}
    places = {
        "output": outcome.text,
        "journal": (REPOSITORY / ".unstack/lab/journal.jsonl").read_text(),
        **{f"log of {node.name}": _run(fresh, node, "journalctl -q -o cat") for node in fresh.masters},
    }
    assert occurrences(secret, "\n".join(secret["ca.key"])) == ["ca.key"], "the search finds it"
    assert [place for place, text in places.items() if occurrences(secret, text)] == []

    for node in fresh.etcd:
        trusted = tmp_path / f"{node.name}.crt"
        trusted.write_text(_run(fresh, fresh.masters[0], f"cat {KUBEADMS}/ca.crt"))
        _run(fresh, node, "test ! -e /etc/etcd/pki/ca.key && test -s /etc/etcd/pki/peer.crt")
        verified = f"openssl verify -CAfile /dev/stdin /etc/etcd/pki/peer.crt <<'E'\n{trusted.read_text()}E\n"
        assert "peer.crt: OK" in _run(fresh, node, verified)
    again = pyinfra("-y", "--data", "strategy=live", "inventories/lab.py", "tasks/pki.py")
    assert again.status == 0, again.text
    assert "another CA" not in again.log
    # A snapshot uses the CA that live has left.
    plan = pyinfra("--dry", "inventories/lab.py", "tasks/plan.py")
    assert "The CA is there and is kept; of its certificates 8 are kept." in plan.stdout
