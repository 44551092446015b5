"""Where the PKI lies on the control node: nobody else can read it, and no pair is ever half there.

A run may be killed between any two system calls. Files are therefore written under another name,
flushed to the disk and renamed; and whatever a killed run left is either complete or started anew.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unstack.pki.certificates import Pair
from unstack.pki.contents import CONTROL_NODE
from unstack.problems import Problem

_DIRECTORY_MODE = 0o700
_KEY_MODE = 0o600
_CERTIFICATE_MODE = 0o644
_READABLE_BY_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make `directory` (0700) and hold it: two runs at once would make two CAs.

    The lock belongs to the process and is gone with it, so a killed run never leaves one behind.
    """
    _make_private(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        # Not left to the close: gevent, under pyinfra, closes when its loop comes to it, and who asked
        # for the lock again before that would wait for itself.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def exposure_problems(directory: Path) -> list[Problem]:
    """A problem for each private key that others can read, and for a directory others can write."""
    problems = []
    for place in (directory, *_below(directory)):
        mode = stat.S_IMODE(place.stat().st_mode)
        if place.is_dir() and mode & _WRITABLE_BY_OTHERS:
            problems.append(
                Problem(
                    CONTROL_NODE,
                    f"{place} with mode {mode:04o}: others can put their own certificates there",
                    "mode 0700",
                    f"see that nothing in it was exchanged, then chmod 700 {place}",
                )
            )
        if place.suffix == ".key" and mode & _READABLE_BY_OTHERS:
            cure = (
                "start over with a new CA (move the directory aside)"
                if place.name == "ca.key"
                else "delete it and its certificate, to have them made anew"
            )
            problems.append(
                Problem(
                    CONTROL_NODE,
                    f"the private key {place} with mode {mode:04o}: others can use it",
                    "mode 0600",
                    f"chmod 600 {place}; if anyone else may have read it, {cure}",
                )
            )
    return problems


def remove_remains(directory: Path) -> None:
    """Delete the unfinished files of a killed run. Only while `directory` is locked."""
    for place in _below(directory):
        if place.name.startswith(".") and place.name.endswith(".new"):
            place.unlink()


def holds_leaves(directory: Path) -> bool:
    """Whether anything but the CA's own two files is there: then a CA has existed."""
    own = {directory / "ca.crt", directory / "ca.key"}
    return any(place.suffix in {".crt", ".key"} for place in _below(directory) if place not in own)


def read(path: Path) -> str | None:
    """The file's text, or None if it does not exist. Bytes that are no text are kept as "?"."""
    try:
        return path.read_text("ascii", errors="replace")
    except FileNotFoundError:
        return None


def read_pair(base: Path) -> Pair | None:
    """The pair `base`.crt and `base`.key, or None unless both exist."""
    certificate, key = read(_certificate(base)), read(_key(base))
    return None if certificate is None or key is None else Pair(certificate, key)


def write_pair(base: Path, pair: Pair) -> None:
    """Replace `base`.crt and `base`.key.

    Two files cannot be replaced in one step. The old certificate goes first, so that a run killed
    between the steps leaves a key without a certificate, which is made anew, and never a
    certificate beside a key of another one, which would look whole.
    """
    certificate, key = _certificate(base), _key(base)
    new_key = _write_aside(key, pair.private_key_pem, _KEY_MODE)
    new_certificate = _write_aside(certificate, pair.certificate_pem, _CERTIFICATE_MODE)
    certificate.unlink(missing_ok=True)
    _flush(base.parent)
    os.replace(new_key, key)
    _flush(base.parent)
    os.replace(new_certificate, certificate)
    _flush(base.parent)


def write_key(base: Path, pem: str) -> None:
    """Put `base`.key in place; its mode is 0600 from its first byte."""
    os.replace(_write_aside(_key(base), pem, _KEY_MODE), _key(base))
    _flush(base.parent)


def write_certificate(base: Path, pem: str) -> None:
    """Put `base`.crt in place."""
    certificate = _certificate(base)
    os.replace(_write_aside(certificate, pem, _CERTIFICATE_MODE), certificate)
    _flush(base.parent)


def write_text(path: Path, text: str) -> None:
    """Put a file that holds no secret in place."""
    os.replace(_write_aside(path, text, _CERTIFICATE_MODE), path)
    _flush(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or a directory, also over a file that is there."""
    _make_private(target.parent)
    os.replace(source, target)
    _flush(target.parent)
    _flush(source.parent)


def remove(*paths: Path) -> None:
    """Remove files, one after the other in this order also after a power failure; absent ones are."""
    for path in paths:
        path.unlink(missing_ok=True)
        _flush(path.parent)


def _certificate(base: Path) -> Path:
    return base.with_name(f"{base.name}.crt")  # with_suffix would cut "etcd.prod" at its dot


def _key(base: Path) -> Path:
    return base.with_name(f"{base.name}.key")


def _below(directory: Path) -> Iterator[Path]:
    return directory.rglob("*")


def _make_private(directory: Path) -> None:
    """Make `directory` and every missing parent 0700; mkdir's own parents=True heeds the umask."""
    for place in (*reversed(directory.parents), directory):
        if not place.exists():
            place.mkdir(mode=_DIRECTORY_MODE)
            _flush(place.parent)


def _write_aside(path: Path, text: str, mode: int) -> Path:
    """Write and flush a hidden neighbour of `path`, whose name remove_remains knows; returns it."""
    aside = path.with_name(f".{path.name}.new")
    _make_private(path.parent)
    # The mode is given at creation: a chmod afterwards would leave a moment for others to open it.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return aside


def _flush(directory: Path) -> None:
    """Make renames in `directory` last a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
