"""What a rehearsal refuses, leaves, and expects."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.unit.cluster import (
    CONTENT,
    EXTERNAL,
    OURS,
    edited,
    etcd_host,
    fenced_master,
    master,
    topology,
)
from unstack.observations import EtcdHost, MasterHost, parse_report, read_etcd_host
from unstack.operations.rehearse import begun
from unstack.rehearsal import START_SECONDS, expect, read_api_server_start, with_lasting_leases
from unstack.report.build import build
from unstack.report.source import Source
from unstack.scripts import script

STAGES = {"snapshot": 0.5, "read": 7.0, "copy": 0.1, "restore": 0.3, "start": 1.1, "prove": 0.4}
REHEARSED = replace(OURS, run=f"{OURS.run}-rehearsal")
ON_EXTERNAL = master(live=edited("--etcd-servers=https://127.0.0.1:2379", f"--etcd-servers={EXTERNAL}"))


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = script(name, *arguments).get_raw_value()
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


def _started(serving: str, etcd: float = 10.0) -> list[str]:
    """The report of a host that booted at 1000 s, its API server 100 s later, its etcd after `etcd` s."""
    found = {
        "boot": "2000.5 1000.5 100",
        "kube-apiserver": "10000",
        "etcd": f"{etcd * 100:.0f}",
        "serving": serving,
    }
    return [f"{key} {base64.b64encode(text.encode()).decode()}" for key, text in found.items()]


def _docker(moment: str) -> str:
    return json.dumps({"log": "I0101 secure_serving.go:197] Serving securely on [::]:6443", "time": moment})


@pytest.mark.parametrize(
    "line",
    [
        _docker("1970-01-01T00:18:25.25Z"),
        "1970-01-01T02:18:25.250000001+02:00 stderr F I0101 00:18:25.2 1 secure_serving.go:213] Serving",
    ],
)
def test_an_api_servers_start_is_read_from_its_log_of_either_runtime(line: str) -> None:
    assert read_api_server_start(_started(line)) == 5.25


def test_a_host_reports_when_its_api_server_and_its_member_began(tmp_path: Path) -> None:
    """In a process namespace of its own: this host may run a real control plane."""
    for name in ("kube-apiserver", "etcd"):
        (tmp_path / name).symlink_to("/bin/sh")
    observe = script("observe-apiserver-start", "m1").get_raw_value()
    beside = f"{tmp_path}/kube-apiserver -c 'sleep 30; :' & {tmp_path}/etcd -c 'sleep 30; :' --name=m1 &"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", f"{beside} sleep 0.5; {observe}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    report = parse_report(done.stdout.splitlines())
    now, up, per_second = map(float, report["boot"][0].split())
    for name in ("kube-apiserver", "etcd"):
        assert abs(now - up + float(report[name][0]) / per_second - time.time()) < 10
    # They began together, which is no start to be taken.
    assert read_api_server_start(done.stdout.splitlines()) is None


@pytest.mark.parametrize("etcd", [95.0, 101.0])
def test_a_start_together_with_its_etcd_is_the_whole_hosts_and_not_taken(etcd: float) -> None:
    assert read_api_server_start(_started(_docker("1970-01-01T00:18:25.25Z"), etcd)) is None


@pytest.mark.parametrize(
    "line", ["", _docker("no time"), _docker("1970-01-01T00:18:19Z"), _docker("1970-01-01T00:30:00Z")]
)
def test_a_log_that_tells_nothing_of_this_start_is_not_made_a_number_of(line: str) -> None:
    assert read_api_server_start(_started(line)) is None


def test_the_outage_is_the_sum_of_its_parts_and_ends_with_the_first_api_server() -> None:
    slow = expect("now", 4096, STAGES, {"master-1": 9.0, "master-2": 7.5})
    assert slow.parts["cutover"] - expect("now", 4096, STAGES, {"master-1": 6.5}).parts["cutover"] == 1.0
    assert slow.outage_s == pytest.approx(sum(slow.parts.values()), abs=0.05)
    # What only a rehearsal does is no part of it.
    assert "read" not in slow.parts
    assert json.loads(slow.as_json())["db_bytes"] == 4096
    without = expect("now", 4096, STAGES, {})
    assert without == expect("now", 4096, STAGES, {"master-1": START_SECONDS})


def test_of_a_living_clusters_leases_those_count_that_outlast_the_snapshot() -> None:
    content = replace(CONTENT, leases=frozenset({2, 3}))
    assert with_lasting_leases(content, frozenset({1, 2})).leases == {2}
    assert with_lasting_leases(content, None).leases is None


@pytest.mark.parametrize(
    ("observed", "seen", "told"),
    [
        (ON_EXTERNAL, etcd_host(), "an API server on the external etcd"),
        (fenced_master(), etcd_host(), "begun and not finished"),
        (master(is_returning=True), etcd_host(), "begun and not finished"),
        (master(fenced={"kube-scheduler": "kind: Pod"}), etcd_host(), "begun and not finished"),
        (master(), etcd_host(has_data=True, restored=OURS), f"data that the run {OURS.run} restored"),
    ],
)
def test_a_migration_that_has_begun_is_not_rehearsed(observed: MasterHost, seen: EtcdHost, told: str) -> None:
    masters = {"master-1": master(), "master-2": observed, "master-3": master()}
    hosts = {"etcd-1": seen, "etcd-2": etcd_host(), "etcd-3": etcd_host()}
    assert told in " ".join(one.found for one in begun(topology(), masters, hosts))


def test_what_a_rehearsal_left_is_no_migration_that_has_begun() -> None:
    masters = {f"master-{number}": master() for number in (1, 2, 3)}
    left = etcd_host(has_data=True, restored=REHEARSED, container="running", has_rehearsal=True)
    assert list(begun(topology(), masters, {f"etcd-{number}": left for number in (1, 2, 3)})) == []


def test_a_rehearsal_lies_apart_on_the_masters() -> None:
    real, apart = topology().settings, topology().apart().settings
    assert apart.state_directory == real.rehearsal_directory == f"{real.state_directory}/rehearsal"
    assert apart.kept_directory == real.kept_directory


def _restored(directory: Path, run: str) -> None:
    (directory / "data/member").mkdir(parents=True)
    (directory / "restored.json").write_text(json.dumps({**asdict(OURS), "run": run}))


def _is_left(directory: Path) -> bool:
    arguments = (str(directory), str(directory / "etc"), "image:v1", "no-such-container", "1")
    done = _run("observe-etcd-host", *arguments)
    assert done.returncode == 0, done.stderr
    return read_etcd_host(done.stdout.splitlines()).has_rehearsal


def test_a_rehearsals_member_and_copies_are_removed_and_nothing_else(tmp_path: Path) -> None:
    _restored(tmp_path, REHEARSED.run)
    for name in ("restoring-r-rehearsal", "restoring-r", "previous-r-rehearsal", "previous-r"):
        (tmp_path / name).mkdir()
    for name in ("snapshot-r-rehearsal.db", "snapshot-r-rehearsal.db.part", "snapshot-r.db", "etcdutl"):
        (tmp_path / name).touch()
    assert _is_left(tmp_path)
    done = _run("end-rehearsal", str(tmp_path), str(tmp_path / "etc"), "no-such-container")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "etcdutl",
        "previous-r",
        "previous-r-rehearsal",
        "restoring-r",
        "snapshot-r.db",
    ]
    assert not _is_left(tmp_path)


def test_a_migrations_data_is_not_taken_for_a_rehearsals(tmp_path: Path) -> None:
    _restored(tmp_path, OURS.run)
    assert not _is_left(tmp_path)
    done = _run("end-rehearsal", str(tmp_path), str(tmp_path / "etc"), "no-such-container")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "restored.json"]


def test_its_report_tells_the_outage_to_expect_and_of_no_snapshot_that_is_kept(tmp_path: Path) -> None:
    taken = {"host": "master-1", "revision": 100, "sha256": "ab", "bytes": 4096}
    line = {"time": "2026-11-24T12:00:05+00:00", "run": "r", "event": "snapshot", **taken}
    report = build(
        Source(
            run="r",
            started=1.0,
            finished=21.0,
            topology=topology().apart(),
            directory=tmp_path,
            planned=("preflight", "snapshot", "rehearsal"),
            results={"expected_outage": 13.9},
            changes=(),
            lines=[line],
        )
    )
    assert report.ending.result == "rehearsed"
    assert "expect the API to be away for 13.9 s" in report.ending.sentence
    assert [one.what for one in report.kept if "snapshot" in one.what] == []
