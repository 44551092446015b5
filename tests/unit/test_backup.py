"""A backup is read by its own bytes: snapshots by a real etcd 3.5.30, whole, damaged, of another version."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from unstack.backup import BackupError, read_backup, revision_bump
from unstack.versions import EtcdVersion

SNAPSHOTS = Path(__file__).parent / "snapshots"
# In the second one so many small buckets hold something that the root bucket fills more than one page.
NAMES = ("etcd-3.5.30", "etcd-3.5.30-branched")
DAY = 86_400.0
BILLION = 1_000_000_000


def _content(name: str = NAMES[0]) -> bytes:
    return gzip.decompress((SNAPSHOTS / f"{name}.db.gz").read_bytes())


def _file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "backup.db"
    path.write_bytes(content)
    return path


def _sealed(content: bytes) -> bytes:
    """With a sha256 that fits, as etcd would have written it."""
    return content + hashlib.sha256(content).digest()


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_snapshot_tells_its_version(tmp_path: Path, name: str) -> None:
    content = _content(name)
    backup = read_backup(_file(tmp_path, content))
    assert backup.version == EtcdVersion(3, 5, 0)
    assert backup.bytes == len(content)
    assert backup.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_of_a_newer_etcd_tells_so(tmp_path: Path, name: str) -> None:
    content = _content(name)[:-32].replace(b"clusterVersion3.5.0", b"clusterVersion3.6.0")
    assert read_backup(_file(tmp_path, _sealed(content))).version.minor_series == (3, 6)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    content = _content()
    for place in (*range(0, len(content), 997), len(content) - 1):
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        with pytest.raises(BackupError, match="whose own sha256 does not fit"):
            read_backup(_file(tmp_path, changed))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "which is empty"),
        (_content()[:-1], "which does not end with a sha256"),
        (_content()[:-32], "which does not end with a sha256"),  # a copy of member/snap/db
        (_content()[: -512 * 3], "whose own sha256 does not fit"),
        (_sealed(bytes(4096)), "which holds no database of etcd"),
        (_sealed(b"\x01" * 512), "which holds no database of etcd"),
        (_sealed(_content()[:8192]), "which holds no database of etcd"),
        (
            _sealed(_content()[:-32].replace(b"clusterVersion", b"clusterVersioN")),
            "does not say which version",
        ),
        (
            _sealed(_content()[:-32].replace(b"clusterVersion3.5.0", b"clusterVersion3,5,0")),
            "not an etcd version",
        ),
    ],
)
def test_what_is_no_whole_snapshot_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    path = _file(tmp_path, content)
    with pytest.raises(BackupError, match=found) as raised:
        read_backup(path)
    assert str(path) in raised.value.found


def test_a_file_that_is_not_there_or_is_none_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.db", tmp_path):
        with pytest.raises(BackupError, match=str(path)):
            read_backup(path)


def test_a_known_revision_is_passed_by_a_billion() -> None:
    for age in (0.0, 365 * DAY):
        bump = revision_bump(100, 5_000, is_known=True, age_seconds=age)
        assert 100 + bump == 5_000 + BILLION


def test_a_backup_ahead_of_the_cluster_is_bumped_all_the_same() -> None:
    assert revision_bump(9_000, 5_000, is_known=True, age_seconds=0) == BILLION


def test_without_a_quorum_the_age_counts_and_what_any_member_tells() -> None:
    # 1,500 revisions a second, for a year.
    bump = revision_bump(100, 0, is_known=False, age_seconds=365 * DAY)
    assert bump == 365 * 86_400 * 1_500 + BILLION
    assert revision_bump(100, 10**13, is_known=False, age_seconds=DAY) == 10**13 - 100 + 129_600_000 + BILLION
    # A copy can be dated in the future.
    assert revision_bump(100, 0, is_known=False, age_seconds=-DAY) == BILLION
