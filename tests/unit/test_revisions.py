"""An API server that is on another store than it should be is told by its revisions and by the key."""

from __future__ import annotations

import base64
import json

import pytest

from unstack.revisions import Written, read_key_revision, read_written, revision_problems


def _line(key: str, text: str) -> str:
    return f"{key} {base64.b64encode(text.encode()).decode()}"


def _object(revision: int) -> str:
    return json.dumps({"metadata": {"name": "x", "resourceVersion": str(revision)}})


def test_reads_the_revision_of_each_answer() -> None:
    lines = [_line(key, _object(at)) for key, at in (("listed", 5), ("written", 7), ("cached", 8))]
    assert read_written(lines) == Written(listed=5, written=7, cached=8)
    with pytest.raises(KeyError):
        read_written(lines[:2])
    with pytest.raises(ValueError, match="Expecting value"):
        read_written([*lines[:2], _line("cached", "no object")])


def test_an_api_server_that_moves_its_etcd_has_no_problem() -> None:
    assert list(revision_problems("m", Written(100, 102, 103), 100, 104, 102, "")) == []


@pytest.mark.parametrize(
    ("found", "in_etcd", "words"),
    [
        # Left behind: its store stands still while the external one is written to.
        (Written(90, 91, 91), None, ("a list", "a write", "what its API server wrote")),
        # From the future: its lists know what etcd has not.
        (Written(300, 102, 103), 102, ("a list",)),
        (Written(100, 102, 300), 102, ("a watch cache",)),
        # A cache that has not seen the write.
        (Written(100, 102, 101), 102, ("a watch cache",)),
        # A write that did not move etcd.
        (Written(100, 100, 100), 100, ("a write",)),
        # By accident at fitting revisions, on another store.
        (Written(100, 102, 103), None, ("what its API server wrote",)),
        (Written(100, 102, 103), 77, ("what its API server wrote",)),
    ],
)
def test_each_revision_that_does_not_fit_is_named(
    found: Written, in_etcd: int | None, words: tuple[str, ...]
) -> None:
    problems = list(revision_problems("master-3", found, 100, 104, in_etcd, "no such key"))
    assert all(one.host == "master-3" for one in problems)
    told = [one.found for one in problems]
    assert len(told) == len(words), told
    assert all(text.startswith(word) for text, word in zip(told, words, strict=True)), told


def test_reads_at_which_revision_etcd_has_the_key_or_what_it_says() -> None:
    # As etcdctl 3.5 answers.
    value = {"header": {"revision": 9}, "kvs": [{"key": "eA==", "mod_revision": 7}], "count": 1}
    assert read_key_revision([_line("answer", json.dumps(value))])[0] == 7
    assert read_key_revision([_line("answer", '{"header":{"revision":9}}')]) == (None, "no such key")
    future = "Error: etcdserver: mvcc: required revision is a future revision"
    assert read_key_revision([_line("answer", future)]) == (None, future)
