"""What decides between going back and going on: whether a client has written to the external cluster."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.unit.cluster import APISERVER, cluster, master, topology
from unstack.members import tells_writes
from unstack.observations import MasterHost
from unstack.operations.rollback import Way, find_way
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
