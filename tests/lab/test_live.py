"""A live migration loses nothing and has no outage, seen by clients that know nothing of it.

Before it the API servers are restarted one by one under the same clients: what that costs is what any
change of an API server costs, and the migration may not cost more (`demo.rolling`).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from demo import around, disk, lease, rolling, stored, watcher
from demo.api import tls_context
from demo.objects import CONFIG_MAPS, create_namespace, listed, load, missing
from demo.rolling import Cost
from demo.stored import Key, Stored
from demo.writers import Writers
from faults.control_plane import ControlPlane, settle
from lab import Lab, database
from lab.paths import STATE
from lab.state import KUBECONFIG
from tests import preview
from tests.commands import REPOSITORY, pyinfra, state_of
from tests.fresh import make_fresh
from tests.writing import writing

LIVE = ("--data", "strategy=live")
DEPLOY = ("-y", *LIVE, "inventories/lab.py", "deploy.py")
# Where etcd has the namespace's ConfigMaps: "/api/v1/namespaces/NAME/configmaps" the other way round.
PREFIX = f"/registry/configmaps/{CONFIG_MAPS.split('/')[4]}/"
# The lab's setting: its load balancer asks every 200 ms.
LOAD_BALANCER_SECONDS = 1.0
JOURNAL = REPOSITORY / ".unstack/lab/journal.jsonl"
WRITE_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """A migration, what its clients have seen, and what is stored."""

    floors: Sequence[Cost]
    cost: Cost
    acknowledged: Mapping[str, str]
    lost: Sequence[str]
    watch: Sequence[str]  # what is wrong with what was told
    lease: Sequence[str]
    before: Stored
    afterwards: Stored  # read at the revision of before
    now: Mapping[str, Key]
    control_plane: ControlPlane
    foreseen: str  # by the preview
    files: Mapping[str, Mapping[str, str]]  # of before, by host
    told: str  # by the run itself
    # Of the longest stall: what an operator would look at next.
    around_stall: Sequence[str]

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, one line each."""
        return [
            *(f"{one} was acknowledged and is lost" for one in self.lost),
            *rolling.beyond(self.floors, self.cost),
            *self.watch,
            *self.lease,
            *stored.problems(self.before, self.afterwards, self.now),
            *self.control_plane.details,
        ]


def _migrate(lab: Lab) -> Seen:
    """Restart the API servers twice, then migrate, all under writes, a watch and a held Lease."""
    context = tls_context(KUBECONFIG)
    create_namespace(lab.load_balancer, context)
    promised = load(lab.load_balancer, context, 200)
    with ExitStack() as clients:
        watching = watcher.Watcher(lab.load_balancer, context)
        holder, rival = (lease.Candidate(one, lab.load_balancer, context) for one in ("holder", "rival"))
        for client in (watching, holder, rival):
            clients.callback(client.leave)
        watching.start()
        holder.start()
        holder.wait_until_leading(WRITE_SECONDS)
        rival.start()
        floors = []
        for number in (1, 2):
            with disk.watched(STATE) as written, writing(lab, f"unstack-floor-{number}") as writers:
                rolling.restart(lab, context, LOAD_BALANCER_SECONDS)
            floors.append(_cost("restarts alone", writers, written))
            promised |= writers.acknowledged()
        foreseen, _ = preview.previewed("--dry", *LIVE)
        assert foreseen.status == 0, foreseen.text
        files = {node.name: preview.files(lab, node) for node in (*lab.masters, *lab.etcd)}
        before = stored.read(stored.of_stacked(lab))
        with disk.watched(STATE) as written, writing(lab, "unstack-live") as writers:
            begun = time.monotonic()
            outcome = pyinfra(*DEPLOY)
            seconds = time.monotonic() - begun
            assert outcome.status == 0, outcome.text
            control_plane = settle(lab, context, writers, WRITE_SECONDS)
        cost = _cost(f"migration of {seconds:.0f} s", writers, written)
        around_stall = around.said(lab, cost.stall, JOURNAL, writers.records)
        promised |= writers.acknowledged()
        watched = watching.end()
        held, tried = holder.leave(), rival.leave()
    etcdctl = stored.of_external(lab, lab.etcd[0])
    now = stored.keys(etcdctl)
    revisions = {
        name.removeprefix(PREFIX): key.mod_revision for name, key in now.items() if name.startswith(PREFIX)
    }
    seen = Seen(
        floors=floors,
        cost=cost,
        acknowledged=promised,
        lost=missing(promised, listed(lab.load_balancer, context)),
        watch=watcher.problems(watched, revisions),
        lease=lease.problems(held, tried),
        before=before,
        afterwards=stored.read(etcdctl, before.revision, cluster=("--cluster",)),
        now=now,
        control_plane=control_plane,
        foreseen=foreseen.stdout,
        files=files,
        told=outcome.log,
        around_stall=around_stall,
    )
    print("\n".join(("around the longest stall", *around_stall)), flush=True)
    print(f"{len(promised)} acknowledged writes, {len(seen.lost)} lost")
    print(
        f"watch: {watched.events} events, {len(watched.interruptions)} interruptions, {watched.relists} lists"
        f" anew; lease: longest time without a renewal {held.longest_gap_seconds:.1f} s"
    )
    for when, one in (("before", before), ("afterwards", seen.afterwards)):
        hashes = {(each.hash, each.compact_revision) for each in one.hashes.values()}
        print(f"HashKV and compact revision at revision {one.revision}, {when}: {sorted(hashes)}")
    return seen


def _cost(what: str, writers: Writers, written: disk.Disk) -> Cost:
    found = rolling.cost(writers.records)
    # What the disk took is told, and counts like the rest.
    by_disk = found.stall.seconds - found.stall.without(written.slow)
    print(
        f"{what}: longest stall {found.stall.seconds:.2f} s at {rolling.clock(found.stall.begin)}, in"
        f" {by_disk:.2f} s of which a small write to the disk was under way (the longest:"
        f" {written.longest_seconds:.2f} s)"
    )
    print(
        f"{what}: failed requests while an API server was away {dict(found.failed)}, at other times"
        f" {list(found.failed_otherwise)}",
        flush=True,
    )
    return found


@pytest.fixture(scope="module")
def seen(fresh_lab: Lab) -> Seen:
    """One migration."""
    return _migrate(fresh_lab)


def test_no_acknowledged_write_is_lost(seen: Seen) -> None:
    assert len(seen.acknowledged) > 1000
    assert seen.lost == []


def test_costs_no_request_and_no_wait_beyond_restarted_api_servers(seen: Seen) -> None:
    assert rolling.beyond(seen.floors, seen.cost) == [], "\n".join(seen.around_stall)


def test_an_open_watch_is_told_every_change_once_and_in_order(seen: Seen) -> None:
    assert seen.watch == []


def test_a_held_lease_is_never_lost(seen: Seen, fresh_lab: Lab) -> None:
    assert seen.lease == []
    spec = json.loads(fresh_lab.kubectl("-n", "unstack-demo", "get", "lease", lease.LEASE, "-o", "json"))[
        "spec"
    ]
    assert (spec["holderIdentity"], spec.get("leaseTransitions", 0)) == ("holder", 0)


def test_cluster_revisions_and_every_keys_history_go_on(seen: Seen) -> None:
    assert stored.problems(seen.before, seen.afterwards, seen.now) == []
    assert len(seen.before.hashes) == len(seen.afterwards.hashes) == 3
    # What nobody writes meanwhile: as it was, to the number.
    quiet = [name for name in seen.before.keys if name.startswith(f"{PREFIX}unstack-object-")]
    assert len(quiet) == 200
    assert {name: seen.now.get(name) for name in quiet} == {name: seen.before.keys[name] for name in quiet}


def test_the_control_plane_is_on_the_external_members_alone(seen: Seen, fresh_lab: Lab) -> None:
    assert seen.control_plane.state == "new", seen.control_plane
    status, output = fresh_lab.exec(
        fresh_lab.etcd[2], "docker exec etcd etcdctl member list -w json 2>/dev/null"
    )
    assert status == 0, output
    members = {one["name"]: one["peerURLs"] for one in json.loads(output)["members"]}
    assert members == {one.name: [f"https://{one.ip}:2380"] for one in fresh_lab.etcd}
    for node in fresh_lab.masters:
        status, output = fresh_lab.exec(node, "! pgrep -x etcd && test -f /var/lib/etcd/member/snap/db")
        assert status == 0, (node.name, output)


def test_the_preview_listed_the_very_files_and_voters(seen: Seen, fresh_lab: Lab) -> None:
    preview.compare(fresh_lab, preview.listed(seen.foreseen), seen.files)
    # What the run itself told before each change of the members.
    told = re.findall(r"(\d+) voters.*: quorum \d+, (\d+|none) may fail", seen.told)
    foreseen = re.findall(
        r"^  (?:now|grow|shrink).* (\d+), (\d+|none) may fail$", seen.foreseen, re.MULTILINE
    )
    assert set(told) == set(foreseen) == {("3", "1"), ("4", "1"), ("5", "2"), ("6", "2")}
    again, _ = preview.previewed("--dry", *LIVE)
    assert "Migrated already" in again.stdout
    assert preview.listed(again.stdout) == {}


def test_second_deploy_changes_nothing(seen: Seen, fresh_lab: Lab) -> None:
    before = state_of(fresh_lab)
    outcome = pyinfra(*DEPLOY)
    assert outcome.status == 0, outcome.text
    assert state_of(fresh_lab) == before


@pytest.mark.long
@pytest.mark.parametrize("run", [2, 3])
def test_the_same_holds_of_further_runs(lab: Lab, run: int) -> None:
    make_fresh(lab)
    seen = _migrate(lab)
    assert seen.problems == [], "\n".join(seen.around_stall)


@pytest.mark.long
@pytest.mark.parametrize("run", [1, 2, 3])
def test_the_same_holds_of_a_database_of_500_mb(lab: Lab, run: int) -> None:
    make_fresh(lab)
    database.fill(lab, 500_000_000)
    seen = _migrate(lab)
    assert seen.problems == [], "\n".join(seen.around_stall)
