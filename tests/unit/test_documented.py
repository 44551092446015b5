"""Every command of the documents is run by a test, or has a reason why not. Each check is shown to fail."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tests.commands import REPOSITORY
from tests.documented import ELSEWHERE, FOLLOWED, NotRun, RunBy
from tests.documents import INVENTORY, Command, commands, every_command

# It tells why things are as they are, and nobody to type anything.
EXPLAINS = "docs/decisions.md"


def uncovered(found: Iterable[Command], typed: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The commands that neither the document's own test types nor another test runs.

    + typed: {document: what the test that follows it types}; on the lab that test fails where the
      document's next command is another one
    """
    for one in found:
        if one.text not in ELSEWHERE and one.text not in typed.get(one.document, ()):
            yield f"{one.document}, {one.section}: {one.text}"


def without_place(found: Iterable[Command]) -> Iterator[str]:
    """The commands of which the document does not say where they are typed, if a test is to type them."""
    for one in found:
        if one.place is None and one.text not in ELSEWHERE:
            yield f"{one.document}, {one.section}: {one.text}"


def misled(rows: Mapping[str, RunBy | NotRun], known: Iterable[str]) -> Iterator[str]:
    """Rows that no document needs, whose test does not have these words, or whose reason is missing."""
    texts = set(known)
    for text, row in rows.items():
        if text not in texts:
            yield f"no document has {text!r}"
        if isinstance(row, NotRun):
            if len(row.reason.split()) < 5:
                yield f"no reason why {text!r} is not run"
        elif not (REPOSITORY / row.test).is_file():
            yield f"no test {row.test}"
        elif row.words not in (REPOSITORY / row.test).read_text():
            yield f"{row.test} does not have {row.words!r}"


def strings(source: str) -> set[str]:
    """Every string of a Python source, whole; the inventory's name stands for its constant."""

    def part(node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        named = isinstance(node, ast.FormattedValue) and ast.unparse(node.value) == "INVENTORY"
        return INVENTORY if named else "\0"  # in no command

    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(map(part, node.values)))
    return found


def followers() -> dict[str, set[str]]:
    """{document: the strings of the test that follows it}."""
    return {document: strings((REPOSITORY / test).read_text()) for document, test in FOLLOWED.items()}


def told() -> list[Command]:
    return [one for one in every_command() if one.document != EXPLAINS]


def test_every_command_of_the_documents_is_run_by_a_test() -> None:
    found = told()
    assert {one.document for one in found} > set(FOLLOWED)  # the documents are read at all
    assert list(uncovered(found, followers())) == []


def test_every_command_that_a_test_types_has_its_place() -> None:
    assert list(without_place(told())) == []


def test_every_row_of_the_table_is_true() -> None:
    assert list(misled(ELSEWHERE, {one.text for one in told()})) == []


SAMPLE = """
# Sample
On every master:

    ls /etc/kubernetes/manifests    # no etcd.yaml

```
a picture
```

On the new host `docker load --input x.tar`, a word `docker`, and on that host

```sh
make \\
  coffee
cat /etc/hosts
```
## Elsewhere
From anywhere `kubectl get nodes`, and

    uptime
"""


def test_commands_are_read_in_their_order_with_their_place() -> None:
    found = [(one.section, one.text, one.place) for one in commands("x.md", SAMPLE)]
    assert found == [
        ("Sample", "ls /etc/kubernetes/manifests", "master"),
        ("Sample", "docker load --input x.tar", "new etcd host"),
        ("Sample", "make coffee", "control node"),
        ("Sample", "cat /etc/hosts", "new etcd host"),
        ("Elsewhere", "kubectl get nodes", "anywhere"),
        ("Elsewhere", "uptime", None),
    ]


def test_a_command_without_a_test_and_one_without_a_place_are_found() -> None:
    found = list(commands("x.md", SAMPLE))
    source = 'type("ls /etc/kubernetes/" "manifests", f"make coffee") == "cat /etc/hosts"'
    assert list(uncovered(found, {"x.md": strings(source)})) == [
        "x.md, Sample: docker load --input x.tar",
        "x.md, Elsewhere: kubectl get nodes",
        "x.md, Elsewhere: uptime",
    ]
    assert list(without_place(found)) == ["x.md, Elsewhere: uptime"]


def test_a_row_that_is_not_true_is_found() -> None:
    here = Path(__file__).relative_to(REPOSITORY).as_posix()
    absent = "nowhere here"[::-1]
    rows: dict[str, RunBy | NotRun] = {
        "a": RunBy("tests/unit/nothing.py", "a"),
        "b": RunBy(here, absent),
        "c": NotRun("no"),
        "d": NotRun("a reason of five words"),
    }
    assert list(misled(rows, {"a", "b", "c"})) == [
        "no test tests/unit/nothing.py",
        f"{here} does not have '{absent}'",
        "no reason why 'c' is not run",
        "no document has 'd'",
    ]
