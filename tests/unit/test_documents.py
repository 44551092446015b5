"""What the documents tell a reader to type, to open and to set exists. Each check is shown to fail."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.documents import DOCUMENTS, REPOSITORY, code
from unstack.settings import Settings

GROUP_DATA = tuple(REPOSITORY / "group_data" / f"{name}.py" for name in ("all", "masters", "etcd"))

CHECKED = ("pyinfra ", "make ", "python -m ")
PYINFRA_FLAGS = {"--dry", "-y", "--yes", "--json", "-v", "-vv", "-vvv", "--debug"}

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TASK = re.compile(r"\btasks/[\w-]+\.py\b")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command that is checked, without comments."""
    for line in code(text):
        for part in re.split(r"&&|;|\|", line):
            command = part.strip().removeprefix("$ ")
            if command.startswith(CHECKED):
                yield shlex.split(command, comments=True)


def command_problems(text: str) -> list[str]:
    """One line for whatever a command of the document names that does not exist."""
    checks = {"pyinfra": pyinfra_problems, "make": make_problems, "python": module_problems}
    return [problem for words in commands(text) for problem in checks[words[0]](words[1:])]


def pyinfra_problems(words: list[str]) -> Iterator[str]:
    """`pyinfra [options] INVENTORY OPERATIONS...`"""
    files, rest = [], iter(words)
    for word in rest:
        if word == "--data":
            key = next(rest, "").partition("=")[0]
            if key not in Settings.model_fields:
                yield f"pyinfra: no setting {key}"
        elif word.startswith("-"):
            if word not in PYINFRA_FLAGS:
                yield f"pyinfra: unknown option {word}"
        else:
            files.append(word)
    if len(files) < 2:
        yield f"pyinfra: an inventory and an operation are missing in {words}"
    for file in files:
        if not file.endswith(".py") or not (REPOSITORY / file).is_file():
            yield f"pyinfra: no file {file}"


def make_problems(words: list[str]) -> Iterator[str]:
    """`make TARGET...`"""
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for word in words:
        if word not in targets:
            yield f"make: no target {word}"


def module_problems(words: list[str]) -> Iterator[str]:
    """`python -m PACKAGE [COMMAND] [OPTIONS]`: each is a word of the package's command line."""
    _, package, *arguments = words
    main = REPOSITORY / package.replace(".", "/") / "__main__.py"
    if not main.is_file():
        yield f"python -m: no package {package}"
        return
    known = set(re.findall(r'"([\w-]+)"', main.read_text()))
    for place, word in enumerate(arguments):
        if (place == 0 or word.startswith("-")) and word not in known:
            yield f"python -m {package}: no {word}"


def task_problems(text: str) -> list[str]:
    """The tasks that the document speaks of, in whatever form, and that do not exist."""
    return [f"no task {task}" for task in TASK.findall(text) if not (REPOSITORY / task).is_file()]


def link_problems(document: Path, text: str) -> list[str]:
    """Relative links of the document to files, or headings in them, that do not exist."""
    problems = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if name and not path.exists():
            problems.append(f"no file {target}")
        elif anchor and anchor not in anchors(path.read_text() if name else text):
            problems.append(f"no heading {target}")
    return problems


def anchors(text: str) -> set[str]:
    """The names by which headings are linked to."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}


def undocumented(settings: Iterable[str], sources: Iterable[str]) -> set[str]:
    """The settings that no source assigns below a comment: a comment counts up to the next empty line."""
    documented = set()
    for block in re.split(r"\n\s*\n", "\n\n".join(sources)):
        before, names = False, re.compile(r"(\w+) = ")
        for line in block.splitlines():
            before = before or line.startswith("#")
            if before and (match := names.match(line)):
                documented.add(match[1])
    return set(settings) - documented


def in_every_document(problems: Mapping[Path, list[str]]) -> dict[str, list[str]]:
    """Only the documents with problems, by their names."""
    return {path.name: found for path, found in problems.items() if found}


def test_every_command_names_what_exists() -> None:
    found = {path: command_problems(path.read_text()) for path in DOCUMENTS}
    assert in_every_document(found) == {}
    read = [words for path in DOCUMENTS for words in commands(path.read_text())]
    assert {"pyinfra", "make"} <= {words[0] for words in read}
    assert len(read) > 20  # the documents are read at all


def test_every_task_that_is_spoken_of_exists() -> None:
    assert in_every_document({path: task_problems(path.read_text()) for path in DOCUMENTS}) == {}


def test_every_relative_link_leads_somewhere() -> None:
    assert in_every_document({path: link_problems(path, path.read_text()) for path in DOCUMENTS}) == {}


def test_every_document_is_reached_from_the_readme() -> None:
    linked = set(LINK.findall((REPOSITORY / "README.md").read_text()))
    assert {f"docs/{path.name}" for path in DOCUMENTS[1:]} - linked == set()


def test_every_setting_is_explained_in_group_data() -> None:
    assert undocumented(Settings.model_fields, [path.read_text() for path in GROUP_DATA]) == set()


WRONG = """
A word: `pyinfra inventories/prod.py tasks/demolish.py`, and `make everything`.

    pyinfra inventories/staging.py deploy.py    # no such inventory
    pyinfra --data etcd_imag=x inventories/prod.py deploy.py
    pyinfra --parallell inventories/prod.py \\
        deploy.py
    pyinfra inventories/prod.py

```sh
$ . .venv/bin/activate && python -m labs up
python -m lab upp --masters 3
python -m lab up --masterz 3
```

Inline code over two lines: `make
nothing`. Right: `make test`, `pyinfra --dry inventories/prod.py deploy.py`, `python -m faults --list`,
make nonsense, `a make believe`.
"""


def test_wrong_commands_are_found_wherever_they_stand() -> None:
    assert sorted(command_problems(WRONG)) == sorted(
        [
            "pyinfra: no file tasks/demolish.py",
            "make: no target everything",
            "pyinfra: no file inventories/staging.py",
            "pyinfra: no setting etcd_imag",
            "pyinfra: unknown option --parallell",
            "pyinfra: an inventory and an operation are missing in ['inventories/prod.py']",
            "python -m: no package labs",
            "python -m lab: no upp",
            "python -m lab: no --masterz",
            "make: no target nothing",
        ]
    )


def test_a_wrong_task_is_found_outside_of_code_too() -> None:
    assert task_problems("See tasks/heal.py, or tasks/status.py.") == ["no task tasks/heal.py"]


def test_wrong_links_are_found() -> None:
    document = REPOSITORY / "docs" / "sample.md"
    text = "# A heading: one\n[a](decisions.md) [b](../README.md#limits-said-plainly) [c](#a-heading-one)"
    assert link_problems(document, text) == []
    text = "# A\n[a](decision.md) [b](../README.md#no-limits) [c](#b) [d](https://example.org/x)"
    assert link_problems(document, text) == [
        "no file decision.md",
        "no heading ../README.md#no-limits",
        "no heading #b",
    ]


def test_a_setting_without_a_comment_is_found() -> None:
    source = "# Two of them.\na = 1\nb = 2\n\nc = 3\n\n# d = 4 is what it was.\n"
    assert undocumented(["a", "b", "c", "d"], [source]) == {"c", "d"}
