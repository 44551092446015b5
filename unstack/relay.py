"""Stream a file of one host to many, without a copy on the control node.

pyinfra's `files.get` and `files.put` would make a copy that all can read on every host for a
moment, and can skip a file that changed under the same name (docs/decisions.md).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gevent
from gevent.queue import Full, Queue
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.progress import waiting
from unstack.remote import open_channel

MEBIBYTE = 1024 * 1024
CHUNK_BYTES = 256 * 1024
CHUNKS_IN_FLIGHT = 32  # per target: 8 MiB, so that one slow host does not fill our memory
READ = "cat {path}"
# The size is asked for because a broken connection looks like the end of the file from there. The
# sum is of what was read back from the file, not of what arrived.
WRITE = (
    "umask 077 && mkdir -p {directory} && rm -f {path}.part && cat > {path}.part && sync {path}.part"
    ' && test "$(stat -c %s {path}.part)" = {size}'
    " && sha256sum < {path}.part | cut -d ' ' -f 1 && mv {path}.part {path}"
)


def relay_file(
    source: Host, path: str, size: int, targets: Sequence[Host], target_path: str
) -> dict[str, str]:
    """Copy `path` on `source`, of `size` bytes, to `target_path` on every target, mode 0600.

    Returns {target name: sha256 of what its disk holds, in hexadecimal}. Raises OperationError
    naming the host whose side failed; a target then holds no file of the target's name.
    """
    return _stream(_read(source, READ.format(path=shlex.quote(path))), size, targets, target_path)


def send_file(path: Path, size: int, targets: Sequence[Host], target_path: str) -> dict[str, str]:
    """Copy a file of this control node, of `size` bytes, as `relay_file` does."""
    return _stream(_read_local(path), size, targets, target_path)


def _stream(chunks: Iterable[bytes], size: int, targets: Sequence[Host], target_path: str) -> dict[str, str]:
    queues: dict[str, Queue[bytes | None]] = {
        target.name: Queue(maxsize=CHUNKS_IN_FLIGHT) for target in targets
    }
    write = WRITE.format(
        path=shlex.quote(target_path), directory=shlex.quote(target_path.rpartition("/")[0]), size=size
    )
    writers = {target.name: gevent.spawn(_write, target, write, queues[target.name]) for target in targets}
    read = 0
    try:
        with waiting(", ".join(queues), "waiting for the copy") as wait:
            for chunk in chunks:
                for name, queue in queues.items():
                    _offer(queue, writers[name], chunk)
                read += len(chunk)
                wait.what = f"copying, {read // MEBIBYTE} of {size // MEBIBYTE} MiB"
            for name, queue in queues.items():
                _offer(queue, writers[name], None)
            gevent.joinall(list(writers.values()))
        return {name: writer.get() for name, writer in writers.items()}
    finally:
        # A source that failed half-way must not leave a half file under the final name.
        gevent.killall([writer for writer in writers.values() if not writer.ready()])


def _offer(queue: Queue[bytes | None], writer: Any, chunk: bytes | None) -> None:
    """Put a chunk, unless the writer dies: it would never take from a full queue."""
    while not writer.ready():
        try:
            queue.put(chunk, timeout=1)
        except Full:
            continue
        return


def _finish(host: Host, channel: Any, errors: bytes) -> None:
    if channel.recv_exit_status() != 0:
        reason = errors.decode(errors="replace").strip() or "the command failed"
        raise OperationError(
            f"{host.name}: found a copy that failed: {reason}; expected a whole one;"
            " to do: look at that host's disk and connection, then run again"
        )


def _read(host: Host, command: str) -> Iterator[bytes]:
    channel = open_channel(host, StringCommand(command))
    try:
        while chunk := channel.recv(CHUNK_BYTES):
            yield chunk
        _finish(host, channel, channel.recv_stderr(CHUNK_BYTES))
    finally:
        channel.close()


def _read_local(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise OperationError(
            f"control node: found {path}: {error.strerror}; expected a readable file; to do: mend that, then"
            " run again"
        ) from None


def _write(host: Host, command: str, chunks: Queue[bytes | None]) -> str:
    channel = open_channel(host, StringCommand(command))
    try:
        try:
            while (chunk := chunks.get()) is not None:
                channel.sendall(chunk)
            channel.shutdown_write()
        except OSError:
            pass  # The remote side ended early; its exit status and words say why.
        output = b""
        while chunk := channel.recv(CHUNK_BYTES):
            output += chunk
        _finish(host, channel, channel.recv_stderr(CHUNK_BYTES))
        return output.decode().strip()
    finally:
        channel.close()
