"""A backup on the control node: whether it is whole, which etcd made it, and how far to bump its revisions.

No etcd is asked here: `etcdutl snapshot status` does not notice a changed byte, and in 3.5 it tells no
version. The file itself does: its last 32 bytes, and a key that etcd keeps in its database.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from unstack.versions import EtcdVersion

CHUNK_BYTES = 4 * 2**20
SHA256_BYTES = 32
# bbolt's pages are a multiple of this, so a snapshot's size leaves the trailer over (etcdutl's own test).
BLOCK_BYTES = 512

# etcd's guide on disaster recovery assumes at most 1,500 revisions a second: a week of them are fewer than
# 1,000,000,000. https://etcd.io/docs/v3.5/op-guide/recovery/#restoring-with-revision-bump
REVISIONS_PER_SECOND = 1500
MARGIN_REVISIONS = 1_000_000_000

# The layout of bbolt's file (go.etcd.io/bbolt: page.go, bucket.go, db.go), little endian as on x86 and arm.
_PAGE_HEADER = struct.Struct("<QHHI")  # id, flags, count, overflow
_META = struct.Struct(
    "<IIIIQQQQQQ"
)  # magic, version, page size, flags, root, sequence, freelist, pages, txid, sum
_LEAF_ELEMENT = struct.Struct("<IIII")  # flags, position, key size, value size
_BRANCH_ELEMENT = struct.Struct("<IIQ")  # position, key size, page
_BUCKET = struct.Struct("<QQ")  # root page, sequence
_MAGIC = 0xED0CDAED
_BRANCH, _LEAF = 0x01, 0x02


class BackupError(Exception):
    """A file that can't be restored: `found` and `expected`, as in `unstack.problems.Problem`."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}; expected {expected}")
        self.found, self.expected = found, expected


@dataclass(frozen=True)
class Backup:
    """A whole snapshot of etcd. `modified`: seconds since the epoch, which copies may have made later."""

    path: Path
    bytes: int
    sha256: str
    modified: float
    version: EtcdVersion  # the cluster version that its members had agreed on: 3.5.0 for every 3.5.x


def read_backup(path: Path) -> Backup:
    """Read a file to its end. Raises BackupError where it is no whole snapshot of etcd."""
    wanted = "a file written by `etcdctl snapshot save`"
    try:
        size, modified = path.stat().st_size, path.stat().st_mtime
        if not path.is_file():
            raise BackupError(f"{path}, which is no file", wanted)
        if size == 0:
            raise BackupError(f"{path}, which is empty", wanted)
        if size % BLOCK_BYTES != SHA256_BYTES:
            raise BackupError(
                f"{path} of {size} bytes, which does not end with a sha256: it is cut off, or a copy of"
                " member/snap/db",
                f"a whole one: a multiple of {BLOCK_BYTES} bytes and {SHA256_BYTES} more",
            )
        sha256 = _checked_sha256(path, size)
        version = _cluster_version(path)
    except OSError as error:
        raise BackupError(f"{path}: {error.strerror}", wanted) from None
    return Backup(path, size, sha256, modified, version)


def _checked_sha256(path: Path, size: int) -> str:
    """The sha256 of the whole file, where its trailer is the sha256 of what stands before."""
    whole, content = hashlib.sha256(), hashlib.sha256()
    left = size - SHA256_BYTES
    with path.open("rb") as file:
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            whole.update(chunk)
            content.update(chunk)
            left -= len(chunk)
        trailer = file.read(SHA256_BYTES)
    whole.update(trailer)
    if content.digest() != trailer:
        raise BackupError(f"{path}, whose own sha256 does not fit its content", "a whole one, unchanged")
    return whole.hexdigest()


def _cluster_version(path: Path) -> EtcdVersion:
    """etcd keeps it as the key clusterVersion of the bucket "cluster"."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            size, root = _root(data)
            bucket = _value(data, root * size, b"cluster", size)
            text = bucket and _in_bucket(data, bucket, b"clusterVersion", size)
        except (struct.error, IndexError, RecursionError) as error:
            raise BackupError(f"{path}, which holds no database of etcd ({error})", "one") from None
    if not text:
        raise BackupError(f"{path}, which does not say which version of etcd made it", "a backup that does")
    try:
        return EtcdVersion.parse(text.decode("ascii", "replace"))
    except ValueError as error:
        raise BackupError(f"{path}: {error}", "a version") from None


def _root(data: mmap.mmap) -> tuple[int, int]:
    """(page size, page of the root bucket), by the newer of the two meta pages."""
    first = _META.unpack_from(data, _PAGE_HEADER.size)
    metas = [first, _META.unpack_from(data, first[2] + _PAGE_HEADER.size)]
    valid = [meta for meta in metas if meta[0] == _MAGIC]
    if not valid:
        raise IndexError("no meta page")
    newest = max(valid, key=lambda meta: meta[8])
    return newest[2], newest[4]


def _in_bucket(data: mmap.mmap, bucket: bytes, key: bytes, size: int) -> bytes | None:
    root, _ = _BUCKET.unpack_from(bucket)
    # A small bucket has its one page inside its value.
    return _value(data, root * size, key, size) if root else _value(bucket[_BUCKET.size :], 0, key, size)


def _value(data: mmap.mmap | bytes, page: int, key: bytes, size: int) -> bytes | None:
    """The value of a key below the page at this offset, None where there is none."""
    _, flags, count, _ = _PAGE_HEADER.unpack_from(data, page)
    places = [page + _PAGE_HEADER.size + number * _LEAF_ELEMENT.size for number in range(count)]
    if flags == _LEAF:
        for place in places:
            _, position, key_size, value_size = _LEAF_ELEMENT.unpack_from(data, place)
            begin = place + position
            if data[begin : begin + key_size] == key:
                return data[begin + key_size : begin + key_size + value_size]
        return None
    if flags != _BRANCH or not places:
        raise IndexError(f"page with flags {flags:#x}")
    child = _BRANCH_ELEMENT.unpack_from(data, places[0])[2]
    for place in places:
        position, key_size, below = _BRANCH_ELEMENT.unpack_from(data, place)
        if data[place + position : place + position + key_size] <= key:
            child = below
    return _value(data, child * size, key, size)


def revision_bump(revision: int, highest: int, *, is_known: bool, age_seconds: float) -> int:
    """How far a backup's revisions are to be bumped, so that no client has ever seen one as high.

    + revision: the backup's last one
    + highest: the highest that any member tells now, or that was restored before; 0 where nothing is known
    + is_known: a quorum has answered: `highest` is the highest there is
    + age_seconds: of the backup; counts where the highest revision is not known
    """
    if not is_known:
        highest = max(highest, revision) + int(max(0.0, age_seconds) * REVISIONS_PER_SECOND)
    return max(0, highest - revision) + MARGIN_REVISIONS
