"""The decommission's scripts on scratch directories: what goes, what stays, and what a kill leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from unstack.observations import Mark, parse_report
from unstack.remains import Remains, read_remains
from unstack.scripts import script

NAME = "member-of-no-cluster"  # the machine of these tests may run etcds
PEER_URL = "https://192.0.2.11:2380"
MAGIC = bytes.fromhex("edda0ced")


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = script(name, *arguments).get_raw_value()
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as etcd leaves it, with one of a rollback beside it."""
    data = tmp_path / "etcd"
    for member in (data / "member", data / ".unstack-previous-r/member"):
        (member / "snap").mkdir(parents=True)
        (member / "wal").mkdir()
        (member / "snap/db").write_bytes(bytes(16) + MAGIC + f'"peerURLs":["{PEER_URL}"]'.encode())
        (member / "wal/0-0.wal").write_bytes(bytes(10_000))
    (tmp_path / "manifests").mkdir()
    for name in ("server.crt", "server.key", "ca.crt"):
        (tmp_path / name).write_text(name)
    return data


def _files(data: Path) -> tuple[str, ...]:
    return tuple(str(data.parent / name) for name in ("server.crt", "server.key", "ca.crt", "gone.crt"))


def _archive(data: Path) -> Path:
    return data.parent / "state/stacked-etcd-r.tar.gz"


def _observed(data: Path, peer_url: str = PEER_URL) -> Remains:
    places = (str(data.parent / "manifests"), str(data), NAME, peer_url, str(_archive(data)))
    done = _run("observe-remains", *places, *_files(data))
    assert done.returncode == 0, done.stderr
    return read_remains(done.stdout.splitlines())


def _archived(data: Path) -> subprocess.CompletedProcess[str]:
    return _run("archive-remains", str(data), NAME, str(_archive(data)), *_files(data))


def _removed(data: Path, *files: str) -> subprocess.CompletedProcess[str]:
    return _run("remove-remains", str(data.parent / "kept"), "r2", str(data), NAME, *files)


def test_sees_the_members_data_and_the_files_that_are_there(data: Path) -> None:
    seen = _observed(data)
    assert (seen.is_member, seen.process, seen.foreign, seen.has_archive) == (True, None, (), False)
    assert seen.files == _files(data)[:3]
    assert seen.data_bytes is not None
    assert seen.data_bytes >= 20_000


@pytest.mark.parametrize("peer_url", ["https://192.0.2.11:23", "https://192.0.2.12:2380", ""])
def test_data_of_another_cluster_is_told_apart(data: Path, peer_url: str) -> None:
    assert not _observed(data, peer_url).is_member


@pytest.mark.parametrize(
    ("file", "record"),
    [
        # As etcd 3.5 writes them: the change of members in the log, its first store in raft's snapshot.
        ("wal/0-0.wal", f'{{"id":7,"peerURLs":["{PEER_URL}"],"name":"m"}}'),
        ("snap/0-0.snap", f'"Value":"{{\\"peerURLs\\":[\\"{PEER_URL}\\"],\\"name\\":\\"m\\"}}"'),
    ],
)
def test_a_member_that_has_deleted_itself_from_its_database_is_known_by_what_is_beside_it(
    data: Path, file: str, record: str
) -> None:
    (data / "member/snap/db").write_bytes(bytes(16) + MAGIC)
    assert not _observed(data).is_member
    (data / "member" / file).write_bytes(bytes(8) + record.encode() + bytes(8))
    assert _observed(data).is_member
    assert not _observed(data, PEER_URL[:-1]).is_member


@pytest.mark.parametrize("offset", [0, 17])
def test_a_file_that_is_no_database_is_told_apart(data: Path, offset: int) -> None:
    (data / "member/snap/db").write_bytes(bytes(offset) + MAGIC + f'"peerURLs":["{PEER_URL}"]'.encode())
    assert not _observed(data).is_member


def test_data_without_a_write_ahead_log_is_told_apart(data: Path) -> None:
    (data / "member/wal/0-0.wal").unlink()
    assert not _observed(data).is_member


@pytest.mark.parametrize("place", ["backup.db", "member/backup.db", "member/snap/link"])
def test_foreign_content_and_links_are_named(data: Path, place: str) -> None:
    if place.endswith("link"):
        (data / place).symlink_to("/elsewhere")
    else:
        (data / place).write_text("somebody's")
    (data / "lost+found").mkdir()
    (named,) = _observed(data).foreign
    assert Path(named).name == Path(place).name


def test_a_manifest_that_names_a_certificate_is_found(data: Path) -> None:
    path = str(data.parent / "server.crt")
    manifest = data.parent / "manifests/exporter.yaml"
    manifest.write_text(f"- --cert={path}\n")
    assert _observed(data).used == (f"{path} by {manifest}",)


def test_an_archive_holds_the_same_bytes_and_its_sha256_is_recorded(data: Path) -> None:
    done = _archived(data)
    assert done.returncode == 0, done.stderr
    archive = _archive(data)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert parse_report(done.stdout.splitlines())["sha256"] == (sha256,)
    check = ["sha256sum", "--check", f"{archive.name}.sha256"]
    assert subprocess.run(check, cwd=archive.parent, capture_output=True, check=False).returncode == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as content:
        held = {
            f"/{one.name}": file.read() for one in content if (file := content.extractfile(one)) is not None
        }
    wanted = [*data.rglob("*"), *(Path(path) for path in _files(data)[:3])]
    assert held == {str(path): path.read_bytes() for path in wanted if path.is_file()}
    assert not list(archive.parent.glob("*.part*"))


def test_an_archive_that_was_begun_is_made_anew(data: Path) -> None:
    _archive(data).parent.mkdir()
    part = Path(f"{_archive(data)}.part")
    part.write_bytes(bytes(3 * 2**20))
    assert _observed(data).unfinished_bytes == 3 * 2**20
    assert _archived(data).returncode == 0
    assert not part.exists()
    assert tarfile.is_tarfile(_archive(data))


def test_an_archive_is_kept_where_it_holds_the_same_and_refused_where_it_does_not(data: Path) -> None:
    assert _archived(data).returncode == 0
    before = _archive(data).read_bytes()
    assert _archived(data).returncode == 0
    (data / "member/wal/0-0.wal").write_bytes(bytes(9_999) + b"x")
    done = _archived(data)
    assert done.returncode == 1
    assert "which differs from what it was made from" in done.stderr
    assert _archive(data).read_bytes() == before


def test_an_archive_that_can_not_be_written_whole_has_no_name(data: Path) -> None:
    command = script("archive-remains", str(data), NAME, str(_archive(data)), *_files(data)).get_raw_value()
    limited = f"ulimit -f 0; trap '' XFSZ; {command}"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1, done
    assert "a failed tar" in done.stderr
    assert not _archive(data).exists()
    assert (data / "member/snap/db").exists()


def test_removes_data_and_files_and_nothing_else(data: Path) -> None:
    (data / "somebodys").write_text("x")
    done = _removed(data, *_files(data)[:2])
    assert done.returncode == 0, done.stderr
    assert [path.name for path in data.iterdir()] == ["somebodys"]
    assert [(data.parent / name).exists() for name in ("server.crt", "server.key", "ca.crt")] == [
        False,
        False,
        True,
    ]
    assert Mark.parse((data.parent / "kept/decommissioning").read_text()).run == "r2"


def test_a_killed_removal_is_finished_and_keeps_its_first_mark(data: Path) -> None:
    kept = data.parent / "kept"
    kept.mkdir()
    (kept / "decommissioning").write_text('{"run": "r1", "at": "2026-11-28T12:00:00+00:00"}')
    (data / "member").rename(data / ".unstack-removing")
    done = _removed(data, *_files(data))
    assert done.returncode == 0, done.stderr
    assert list(data.iterdir()) == []
    assert Mark.parse((kept / "decommissioning").read_text()).run == "r1"
    done = _run("end-decommission", str(kept), "r2")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in kept.iterdir()] == ["decommissioned"]
    assert Mark.parse((kept / "decommissioned").read_text()).run == "r2"


@pytest.mark.parametrize("name", ["archive-remains", "remove-remains"])
def test_nothing_is_touched_while_an_etcd_of_that_name_runs(data: Path, name: str) -> None:
    program = data.parent / "etcd-program/etcd"
    program.parent.mkdir()
    program.symlink_to("/bin/sh")
    arguments = {
        "archive-remains": (str(data), NAME, str(_archive(data))),
        "remove-remains": (str(data.parent / "kept"), "r", str(data), NAME),
    }
    etcd = subprocess.Popen([program, "-c", "read _", f"--name={NAME}"], stdin=subprocess.PIPE)
    try:
        assert _observed(data).process == etcd.pid
        done = _run(name, *arguments[name], *_files(data))
    finally:
        etcd.communicate(b"\n", timeout=10)
    assert done.returncode == 1
    assert f"found an etcd on {data}" in done.stderr
    assert (data / "member/snap/db").exists()
    assert (data.parent / "server.key").exists()
    assert not _archive(data).exists()


def test_a_record_is_made_once(tmp_path: Path) -> None:
    for run in ("r1", "r2"):
        done = _run("record", str(tmp_path / "kept"), "confirmed", run)
        assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "kept/confirmed").read_text())["run"] == "r1"


MARKS = ("confirmed", "decommissioning", "decommissioned")


def test_a_rollback_that_has_ended_forgets_since_when_the_external_etcd_was_in_use(tmp_path: Path) -> None:
    (tmp_path / "stacked").mkdir()
    for name in ("returning", "confirmed"):
        (tmp_path / name).write_text(name)
    assert _run("end-return", str(tmp_path), "r").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["rolled-back-r"]


def test_a_new_cutover_forgets_what_an_earlier_one_has_recorded(tmp_path: Path) -> None:
    manifests, kept = tmp_path / "manifests", tmp_path / "kept"
    for directory in (manifests, kept / "fenced", kept / "prepared"):
        directory.mkdir(parents=True)
    for name in ("fenced/kube-apiserver.yaml", "prepared/kube-apiserver.yaml", *MARKS):
        (kept / name).write_text(name)
    sha256 = hashlib.sha256(b"fenced/kube-apiserver.yaml").hexdigest()
    done = _run("cutover", str(manifests), str(kept), "fenced", sha256)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in kept.iterdir()) == ["fenced", "prepared", "stacked"]
