"""The lead moves under live writes: raft drops what is proposed meanwhile, so nothing must be."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from demo import disk, rolling
from demo.api import tls_context
from demo.gaps import Gap
from demo.objects import create_namespace
from demo.writers import Writers, entrances
from lab import Lab
from lab.paths import STATE
from lab.state import KUBECONFIG
from tests.commands import REPOSITORY, pyinfra
from tests.deploys.move_lead import MOVES, PAUSE_SECONDS
from tests.writing import WRITE_SECONDS

# Of the second after which a writer gives a request up the rest was the disk's.
DISK_SECONDS = 0.6
JOURNAL = REPOSITORY / ".unstack/lab/journal.jsonl"


def _writers(lab: Lab, prefix: str) -> Writers:
    """Four times as many as elsewhere: of some forty writes a second a move meets one or none."""
    context = tls_context(KUBECONFIG)
    create_namespace(lab.load_balancer, context)
    many = {f"{name}-{number}": address for name, address in entrances(lab).items() for number in range(4)}
    writers = Writers(many, context, f"unstack-{prefix}-{time.time():.0f}", writes_per_second=4.0)
    writers.start()
    writers.wait_until_all_write(WRITE_SECONDS)
    return writers


def _told(writers: Writers, slow_disk: Sequence[Gap]) -> list[str]:
    """The requests that were refused, cut, or not answered within a second that was not the disk's."""
    found = []
    for name, record in writers.stop().items():
        for one in record.failed:
            second = Gap(one.moment - 1.0, one.moment).shifted(record.wall_offset)
            if not one.is_given_up or second.without(slow_disk) > DISK_SECONDS:
                found.append(f"{name}: {rolling.clock(second.end)} {one.reason}")
    return found


def _move_bare(lab: Lab) -> None:
    """etcdctl, and nothing else."""
    status, output = lab.exec(
        lab.etcd[0], "docker exec etcd etcdctl endpoint status --cluster -w json 2>/dev/null"
    )
    assert status == 0, output
    members = {one["Status"]["header"]["member_id"]: one for one in json.loads(output)}
    leader = next(iter(members.values()))["Status"]["leader"]
    (node,) = [one for one in lab.etcd if f"//{one.ip}:" in members[leader]["Endpoint"]]
    heir = next(one for one in members if one != leader)
    status, output = lab.exec(node, f"docker exec etcd etcdctl move-leader {heir:x}")
    assert status == 0, output


def test_no_write_fails_or_waits_while_the_lead_moves(migrated_lab: Lab) -> None:
    with disk.watched(STATE) as written:
        writers = _writers(migrated_lab, "bare")
        for _ in range(MOVES):
            _move_bare(migrated_lab)
            time.sleep(PAUSE_SECONDS)
        bare = _told(writers, written.slow)
        begin = JOURNAL.stat().st_size
        writers = _writers(migrated_lab, "held")
        outcome = pyinfra("-y", "inventories/lab.py", "tests/deploys/move_lead.py")
        held = _told(writers, written.slow)
    assert outcome.status == 0, outcome.text
    events = [json.loads(line) for line in JOURNAL.read_text()[begin:].splitlines()]
    moves = [one for one in events if one["event"] == "held"]
    seconds = sorted(one["seconds"] for one in moves)
    print(f"{MOVES} moves, requests that failed or were not answered: bare {bare}, held {held}")
    print(f"the API servers stood still for {seconds} s")
    slowest = sorted(written.slow, key=lambda one: one.seconds)[-5:]
    print("the disk's longest:", [f"{rolling.clock(one.begin)} {one.seconds:.2f} s" for one in slowest])
    assert [one["api_servers"] for one in moves] == [3] * MOVES
    assert held == []
