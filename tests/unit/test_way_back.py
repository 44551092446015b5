"""What decides between going back and going on: whether a client has written to the external cluster."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError

from tests.unit.cluster import APISERVER, cluster, master, topology
from tests.unit.live_clusters import STACKED, live_cluster, switched_master
from tests.unit.scripts import run_here
from unstack import member_changes
from unstack.members import ListedMember, tells_writes
from unstack.membership import Membership
from unstack.observations import MasterHost, MemberData, Restored
from unstack.operations import rollback, shrink, way_back
from unstack.operations.way_back import Way, find_way, way_of
from unstack.preflight import judge
from unstack.recovery import may_write

STATUS = {"Endpoint": "x", "Status": {"header": {"cluster_id": 1, "member_id": 2, "revision": 105}}}
EXTERNAL = APISERVER.replace(
    "--etcd-servers=https://127.0.0.1:2379", f"--etcd-servers={','.join(topology().client_urls)}"
)


def _report(*answers: object, plain: str | None = None) -> list[str]:
    def line(key: str, text: str) -> str:
        return f"{key} {base64.b64encode(text.encode()).decode()}"

    lines = [line("status", json.dumps([STATUS]))]
    text = plain if plain is not None else "\n".join(json.dumps(answer) for answer in answers)
    return [*lines, line("events", text)] if answers or plain is not None else lines


def _event(key: str, **fields: object) -> dict[str, object]:
    kv = {"key": base64.b64encode(key.encode()).decode(), "mod_revision": 105}
    return {"kv": kv, **fields}


def test_a_cluster_at_its_snapshots_revision_was_given_nothing() -> None:
    assert not tells_writes(_report())


@pytest.mark.parametrize("key", ["/registry/masterleases/172.30.0.11", "/registry/events/default/e.1"])
def test_what_runs_out_by_itself_is_no_write(key: str) -> None:
    assert not tells_writes(_report({"Events": [_event(key, type=1)]}, {"Events": None}))


@pytest.mark.parametrize(
    "event",
    [
        _event("/registry/configmaps/default/a"),  # a put has no type
        _event("/registry/masterleases/172.30.0.11"),
        _event("/registry/configmaps/default/a", type=1),
    ],
)
def test_what_a_client_does_is_a_write(event: dict[str, object]) -> None:
    assert tells_writes(_report({"Events": [_event("/registry/events/x/y", type=1), event]}))


@pytest.mark.parametrize("text", ["required revision has been compacted", "", '{"Events": null}'])
def test_a_history_that_does_not_reach_the_present_revision_counts_as_written(text: str) -> None:
    assert tells_writes(_report(plain=text))


def test_an_object_in_a_namespace_called_events_is_no_event() -> None:
    assert tells_writes(_report({"Events": [_event("/registry/configmaps/events/a", type=1)]}))


def _masters(*changed: MasterHost) -> dict[str, MasterHost]:
    everyone = [*changed, *(master() for _ in range(3 - len(changed)))]
    return {f"master-{number}": one for number, one in enumerate(everyone, start=1)}


def _live(text: str) -> MasterHost:
    return master(live={**master().live, "kube-apiserver": text})


def test_an_untouched_cluster_has_no_way_back_to_go() -> None:
    assert find_way(_masters(), topology()) is Way.NONE


def test_a_fenced_cluster_gets_its_manifests_back() -> None:
    fenced = master(live={"etcd": master().live["etcd"]}, fenced={"kube-apiserver": APISERVER})
    assert find_way(_masters(fenced), topology()) is Way.MANIFESTS


def test_one_master_on_the_external_cluster_means_that_its_data_goes_back() -> None:
    assert find_way(_masters(_live(EXTERNAL)), topology()) is Way.DATA


def _joint(*hosts: str) -> Membership:
    addresses = {one.name: one.address for one in (*topology().masters, *topology().members)}
    return Membership(
        tuple(
            ListedMember(number, name, (f"https://{addresses[name]}:2380",), (), False)
            for number, name in enumerate(hosts, 1)
        )
    )


def test_stacked_and_external_members_in_one_cluster_go_back_without_moving_data() -> None:
    joint = _joint("master-1", "master-2", "master-3", "etcd-1")
    assert find_way(_masters(), topology(), joint) is Way.LIVE
    assert find_way(_masters(_live(EXTERNAL)), topology(), joint) is Way.LIVE


def test_once_a_stacked_member_has_left_the_data_goes_back() -> None:
    joint = _joint("master-2", "master-3", "etcd-1", "etcd-2", "etcd-3")
    assert find_way(_masters(*3 * [_live(EXTERNAL)]), topology(), joint) is Way.DATA


def test_live_api_servers_on_both_clusters_are_left_to_people() -> None:
    problems = judge(cluster(masters=_masters(_live(EXTERNAL)), stacked={}))
    assert [one.host for one in problems] == ["master-2", "master-3"]
    assert all("while master-1 is on the external one" in one.found for one in problems)


def test_a_rollback_that_was_begun_is_finished_and_no_migration_goes_on() -> None:
    begun = replace(_live(APISERVER), is_returning=True)
    assert find_way(_masters(begun, _live(EXTERNAL)), topology()) is Way.FINISH
    problems = judge(cluster(masters=_masters(begun)))
    assert [f"{one.host}: {one.found}" for one in problems] == [
        "master-1: a rollback that was begun and not finished"
    ]


def test_a_silent_master_counts_by_where_it_stood_when_the_run_began() -> None:
    run = SimpleNamespace(
        topology=topology(), results={}, cache={"masters at first": _masters(_live(EXTERNAL))}
    )
    assert may_write("master-1", run)  # type: ignore[arg-type]
    assert not may_write("master-2", run)  # type: ignore[arg-type]
    # With the cutover begun, or where nobody knows, it may be on the external cluster.
    run.results["cutover_started"] = 1.0
    assert may_write("master-2", run)  # type: ignore[arg-type]
    assert may_write("master-1", SimpleNamespace(topology=topology(), results={}, cache={}))  # type: ignore[arg-type]


def _kept(name: str, **changes: object) -> MasterHost:
    """A master whose stacked etcd has left."""
    whole = switched_master(name).live
    live = {component: text for component, text in whole.items() if component != "etcd"}
    kept = {"etcd": whole["etcd"], "kube-apiserver": APISERVER}
    return master(**{"live": live, "kept": kept, "has_restore_tool": True, **changes})


def test_a_master_that_lacks_the_restore_tool_has_it_from_another_and_is_no_reason_to_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run: Any = SimpleNamespace(topology=topology())
    observed = {name: _kept(name, has_restore_tool=name != "master-2") for name in STACKED}
    monkeypatch.setattr(rollback, "known_masters", lambda run: observed)
    assert rollback._all_missing(run) == []
    observed.update({name: _kept(name, has_restore_tool=False) for name in STACKED})
    assert [(one.host, one.found) for one in rollback._all_missing(run)] == [
        (name, "no etcdutl") for name in STACKED
    ]


def _bring(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *having: str, copied: Callable[[bytes], bytes] = bytes
) -> dict[str, bytes]:
    """{master: its tool, if it can be run} once it was brought, each host a directory of this machine."""

    def tool(name: str) -> Path:
        return tmp_path / name / "stacked/etcdutl"

    def observe(inventory: object) -> dict[str, MasterHost]:
        return {name: _kept(name, has_restore_tool=name in having) for name in STACKED}

    def run_script(one: Any, name: str, kept: str) -> list[str]:
        done = run_here(name, str(tmp_path / one.name))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def relay(source: Any, path: str, size: int, targets: Any, target_path: str) -> dict[str, str]:
        content = tool(source.name).read_bytes()
        assert (path, len(content)) == (target_path, size)
        for one in targets:
            tool(one.name).write_bytes(copied(content))
        return {one.name: hashlib.sha256(copied(content)).hexdigest() for one in targets}

    for name in STACKED:
        tool(name).parent.mkdir(parents=True)
        if name in having:
            tool(name).write_bytes(b"tool of " + name.encode())
            tool(name).chmod(0o700)
    hosts = SimpleNamespace(get_host=lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(shrink, "inventory", hosts)
    monkeypatch.setattr(shrink, "observe_masters", observe)
    monkeypatch.setattr(shrink, "run_script", run_script)
    monkeypatch.setattr(shrink, "relay_file", relay)
    run: Any = SimpleNamespace(topology=topology())
    shrink.bring_restore_tool(run)
    return {name: tool(name).read_bytes() for name in STACKED if os.access(tool(name), os.X_OK)}


def test_a_master_whose_stacked_etcd_is_dead_gets_the_restore_tool_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _bring(monkeypatch, tmp_path, "master-1", "master-3") == {
        "master-1": b"tool of master-1",
        "master-2": b"tool of master-1",
        "master-3": b"tool of master-3",
    }


def test_a_restore_tool_that_does_not_come_whole_or_that_nobody_has_lets_no_member_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(OperationError, match="master-1: found sha256"):
        _bring(monkeypatch, tmp_path / "cut", "master-2", copied=lambda content: content[:-1])
    with pytest.raises(OperationError, match="No further member was removed"):
        _bring(monkeypatch, tmp_path / "none")


@pytest.mark.parametrize(("cluster", "way"), [("test", Way.LIVE), ("other", Way.NONE)])
def test_data_that_was_left_means_a_way_back_only_where_it_is_of_this_cluster(
    monkeypatch: pytest.MonkeyPatch, cluster: str, way: Way
) -> None:
    left = MemberData(
        has_data=True, restored=Restored.joined(cluster, "20260101T000000Z"), container="running"
    )
    monkeypatch.setattr(way_back, "known_masters", lambda run: _masters())
    monkeypatch.setattr(way_back, "observe_members", lambda masters: {})
    monkeypatch.setattr(way_back, "known_member_data", lambda run: {"etcd-1": left})
    run: Any = SimpleNamespace(topology=topology(), cache={})
    assert way_of(run) is way


@pytest.mark.parametrize(
    ("restored", "acts"),
    [
        (Restored.joined("test", "20260101T000000Z"), True),
        (Restored.joined("other", "20260101T000000Z"), False),
        (None, False),
    ],
)
def test_data_of_others_is_not_set_aside_nor_its_member_stopped(
    monkeypatch: pytest.MonkeyPatch, restored: Restored | None, acts: bool
) -> None:
    done: list[str] = []
    there = MemberData(has_data=True, restored=restored, container="running")
    monkeypatch.setattr(
        member_changes, "inventory", SimpleNamespace(get_host=lambda name: SimpleNamespace(name=name))
    )
    monkeypatch.setattr(member_changes, "observe_member_data", lambda hosts, topology: {"etcd-1": there})
    monkeypatch.setattr(member_changes, "run_script", lambda host, name, *arguments: done.append(name))
    run: Any = SimpleNamespace(topology=topology(), id="20260102T000000Z")
    with nullcontext() if acts else pytest.raises(OperationError, match="not touched"):
        member_changes.let_external_leave(run, live_cluster(*STACKED), "etcd-1")
    assert done == (["set-aside"] if acts else [])
