"""No secret is printed, logged, passed as an argument or left open: watched while the tool works."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event

import pytest

from lab import Lab, Node
from lab.machines import parallel
from tests.commands import REPOSITORY, pyinfra

STATE = REPOSITORY / ".unstack/lab"
PKI = STATE / "pki"
PLACES = "/etc/etcd /etc/kubernetes/pki/etcd-external"
LOUDEST = ("-vvv", "--debug", "--debug-all", "--diff", "-y", "--json")
MAKE_KEYS = (*LOUDEST, "inventories/lab.py", "tasks/pki.py")
# With the keys made and not yet on the hosts, so that what is planned is to bring them.
RUNS = (
    ("--dry", "--diff", "inventories/lab.py", "deploy.py"),
    ("--dry", "--json", "--debug", "inventories/lab.py", "deploy.py"),
    ("-vvv", "--debug-operations", "--json", "inventories/lab.py", "deploy.py"),
    (*LOUDEST, "inventories/lab.py", "deploy.py"),
    ("-vvv", "--debug", "-y", "inventories/lab.py", "deploy.py"),
)
NEEDLE = "planted-argument-6d1f0c"
# One process for all the arguments: one for each would take a processor away from the migration.
WATCH_ARGUMENTS = "tail -n +1 /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >>/run/arguments; sleep 0.2"
# By content and by name: a key is also exposed under another name, and half of one under its own.
WATCH_KEYS = (
    f"find {PLACES} /tmp /home/ops -type f -perm /077 \\( -name '*.key*' -print"
    " , -exec grep -lsE '^-----BEGIN .*PRIVATE KEY' {} + \\) >>/run/exposed 2>/dev/null"
)
PRIVATE_KEY = re.compile(r"^-----BEGIN .*PRIVATE KEY", re.MULTILINE)
DECOY = "-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def fresh_lab(lab: Lab, tmp_path: Path) -> Lab:
    """A fresh stacked cluster for each test here, and a control node that has yet to make its keys."""
    lab.reset()
    if PKI.exists():
        shutil.move(PKI, tmp_path / "pki")
    return lab


@dataclass(frozen=True)
class Searched:
    """A text that may hold no secret, and a word that it must hold, or it is the wrong text."""

    where: str
    known: str
    text: str


@cache
def _forms(secret: str) -> tuple[str, ...]:
    """The secret, and what of it shows in the base64 of any text around it."""
    forms = [secret]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        # Cut the characters that depend on the neighbours as well.
        end = len(encoded) - {0: 0, 1: 3, 2: 2}[(before + len(secret)) % 3]
        forms.append(encoded[{0: 0, 1: 2, 2: 3}[before] : end])
    return tuple(forms)


def occurrences(secret_lines: Mapping[str, Collection[str]], text: str) -> list[str]:
    """The names of the secrets of which a line is in the text: plain or in base64, wrapped or not."""
    # Line ends too as JSON writes them. No form of a secret holds space or a backslash.
    joined = re.sub(r"\\+[nrt]|\s+", "", text)
    return [
        name
        for name, lines in secret_lines.items()
        if any(form in joined for line in lines for form in _forms(line))
    ]


def _key_lines() -> dict[str, list[str]]:
    """{key file: lines of its base64}, without its last: there stands its public half alone."""
    keys = {path: path.read_text().splitlines() for path in sorted(PKI.rglob("*.key"))}
    found = {path.relative_to(PKI).as_posix(): lines[1:-2] for path, lines in keys.items()}
    # The authority's, the operators', the API servers', and two for each of three members.
    counts = {name: len(lines) for name, lines in found.items()}
    assert len(counts) == 9, counts
    assert min(counts.values()) > 0, counts
    return found


def _sh(lab: Lab, node: Node, command: str) -> str:
    status, output = lab.exec(node, command)
    assert status == 0, (node.name, output[-2000:])
    return output


@contextmanager
def _on_every_host(lab: Lab, name: str, body: str) -> Iterator[None]:
    """Run shell over and over on every host; fails at the end where it did not run until then."""
    loop = shlex.quote(f"while :; do {body}; done\n")
    # From a file: systemd would expand what begins with a dollar sign.
    start = (
        f"printf %s {loop} > /run/{name}.sh && "
        f"systemd-run --quiet --collect --unit={name} --property=RuntimeMaxSec=1800 sh /run/{name}.sh"
    )
    parallel(lambda node: _sh(lab, node, start), lab.plan.nodes)
    try:
        yield
    finally:
        parallel(lambda node: _sh(lab, node, f"systemctl stop {name}"), lab.plan.nodes)


@contextmanager
def _here(look: Callable[[], Iterable[str]], pause_seconds: float) -> Iterator[set[str]]:
    """All that `look` finds on this machine while the block runs."""
    found: set[str] = set()
    over = Event()

    def watch() -> None:
        while not over.wait(pause_seconds):
            found.update(look())

    with ThreadPoolExecutor(max_workers=1) as pool:
        watching = pool.submit(watch)
        try:
            yield found
        finally:
            over.set()
    watching.result()  # raises what ended it too early


def _arguments_here() -> Iterator[str]:
    """The command lines of this machine; pyinfra's own are among them."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended


def _exposed_keys() -> Iterator[str]:
    """Key files below .unstack/ that others may read, by mode alone: its directories do not count."""
    for directory, _, names in os.walk(REPOSITORY / ".unstack"):
        for name in names:
            path = Path(directory, name)
            try:
                if path.stat().st_mode & 0o077 and (
                    ".key" in name or PRIVATE_KEY.search(path.read_text(errors="replace"))
                ):
                    yield path.relative_to(REPOSITORY).as_posix()
            except FileNotFoundError:
                continue  # it was a temporary name


def _arguments_on(lab: Lab, node: Node) -> str:
    """Every command line that was seen on the host, once."""
    seen = re.split(r"==> /proc/\d+/cmdline <==\n", _sh(lab, node, "cat /run/arguments"))
    return "\n".join(sorted({command.strip() for command in seen}))


def _run(*arguments: str) -> Searched:
    outcome = pyinfra(*arguments, timeout_seconds=600)
    # Not the outcome itself, which pytest would show whole.
    status = outcome.status
    assert status == 0, (arguments, outcome.text[-2000:])
    return Searched(f"what {' '.join(arguments)} printed", "certificates", outcome.text)


def _written_here() -> Iterator[Searched]:
    yield Searched("the journal", "snapshot", (STATE / "journal.jsonl").read_text())
    for path in sorted((STATE / "runs").rglob("*")):
        if path.is_file():
            yield Searched(path.relative_to(REPOSITORY).as_posix(), "fenced_revision", path.read_text())
    for path in sorted((STATE / "reports").rglob("report.*")):
        yield Searched(path.relative_to(REPOSITORY).as_posix(), path.parent.name, path.read_text())
    log = REPOSITORY / "pyinfra-debug.log"
    if log.exists():  # pyinfra writes it after a fault of its own only
        yield Searched(log.name, "Traceback", log.read_text())


def _written_on_hosts(lab: Lab) -> Iterator[Searched]:
    for node in lab.etcd:
        compose = _sh(lab, node, "cat /etc/etcd/docker-compose.yaml")
        yield Searched(f"{node.name}: the compose file", "services:", compose)
    for node in (*lab.masters, *lab.etcd):
        yield Searched(f"{node.name}: arguments", "--listen-client-urls", _arguments_on(lab, node))
        # sudo logs every command that it runs with all its arguments, however short its life.
        yield Searched(f"{node.name}: the system log", "COMMAND=", _sh(lab, node, "journalctl -q -o cat"))


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_search_finds_a_secret_however_it_is_written(before: str) -> None:
    secret = {"a.key": [secrets.token_hex(24)]}
    text = f"{before}\n{secret['a.key'][0]}\nafter"
    encoded = base64.b64encode(text.encode()).decode()
    wrapped = base64.encodebytes(before.encode() + text.encode() * 3).decode()
    forms = (text, json.dumps([json.dumps([text])]), encoded, wrapped, json.dumps(f"report: {wrapped}"))
    missed = [number for number, form in enumerate(forms) if occurrences(secret, form) != ["a.key"]]
    assert missed == []
    assert occurrences(secret, f"{before} something else") == []


def test_nothing_secret_is_printed_or_written_in_any_verbosity(fresh_lab: Lab) -> None:
    lab = fresh_lab
    value = secrets.token_hex(24)
    # As it is in etcd and the snapshot, and as the API shows it.
    planted = {"the Secret": [value, base64.b64encode(value.encode()).decode()]}
    lab.kubectl("create", "secret", "generic", "planted", f"--from-literal=password={value}")

    with _on_every_host(lab, "watch-arguments", WATCH_ARGUMENTS), _here(_arguments_here, 0.3) as here:
        searched = [_run(*MAKE_KEYS)]
        parallel(lambda node: _sh(lab, node, f"rm -rf {PLACES}"), lab.plan.nodes)
        searched += [_run(*arguments) for arguments in RUNS]
        # Two commands, or the shell would become the first.
        parallel(lambda node: _sh(lab, node, f"sh -c 'sleep 2; :' {NEEDLE}; :"), lab.plan.nodes)
    searched.append(Searched("arguments on the control node", "deploy.py", "\n".join(sorted(here))))
    searched += [*_written_here(), *_written_on_hosts(lab)]

    # What was planted did travel: it is served from the external cluster, which has the snapshot alone.
    stored = lab.kubectl("get", "secret", "planted", "-o", "jsonpath={.data.password}")
    has_travelled = stored == planted["the Secret"][1]
    assert has_travelled
    kept = _key_lines()
    wrong_texts = [one.where for one in searched if one.known not in one.text]
    assert wrong_texts == []
    needle = {"needle": [NEEDLE]}
    # Among the arguments it was really planted, elsewhere in a copy.
    copies = [(one.where, "" if one.where.endswith(": arguments") else NEEDLE, one.text) for one in searched]
    assert [where for where, more, text in copies if not occurrences(needle, text + more)] == []
    # Names of secrets and places only; the searched texts never come near an assertion.
    leaks = [(name, one.where) for one in searched for name in occurrences({**planted, **kept}, one.text)]
    assert leaks == []


def _show_decoys(lab: Lab, when: str, found_here: Collection[str]) -> None:
    """Have every watcher see a key that all can read, under either mark of one."""
    by_name, by_content = f"/tmp/decoy-{when}.key", f"/home/ops/decoy-{when}"
    show = (
        f"umask 022; echo x > {by_name}; printf %s {shlex.quote(DECOY)} > {by_content};"
        f" timeout 60 sh -c 'until grep -qx {by_name} /run/exposed && grep -qx {by_content} /run/exposed;"
        f" do sleep 0.1; done'; seen=$?; rm {by_name} {by_content}; exit $seen"
    )
    parallel(lambda node: _sh(lab, node, show), lab.plan.nodes)
    here = [REPOSITORY / f".unstack/decoy-{when}.key", REPOSITORY / f".unstack/decoy-{when}"]
    here[0].parent.mkdir(mode=0o700, exist_ok=True)
    names = {path.relative_to(REPOSITORY).as_posix() for path in here}
    try:
        for path in here:
            path.write_text(DECOY if not path.suffix else "x")
            path.chmod(0o644)
        deadline = time.monotonic() + 60
        while not names <= set(found_here) and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        for path in here:
            path.unlink(missing_ok=True)
    assert names <= set(found_here)


def test_key_files_are_never_readable_by_others_while_they_are_written(fresh_lab: Lab) -> None:
    lab = fresh_lab
    with _on_every_host(lab, "watch-keys", WATCH_KEYS), _here(_exposed_keys, 0.001) as found_here:
        _show_decoys(lab, "before", found_here)
        for task in ("pki", "prepare"):
            _run("-y", "inventories/lab.py", f"tasks/{task}.py")
        _show_decoys(lab, "after", found_here)

    hits = {("control node", path) for path in found_here}
    for node in lab.plan.nodes:
        hits |= {(node.name, path) for path in _sh(lab, node, "cat /run/exposed").splitlines()}
    assert sorted(hit for hit in hits if "/decoy-" not in hit[1]) == []

    authority = (PKI / "ca.key").read_bytes()
    digest = hashlib.sha256(authority).hexdigest()
    for node in (*lab.masters, *lab.etcd):
        brought = _sh(lab, node, f"find {PLACES} -name '*.key' 2>/dev/null; :")
        assert brought.count(".key\n") == (1 if node in lab.masters else 3), (node.name, brought)
        named = (
            "find / -xdev -name ca.key \\( -path '*etcd-external*' -o -path '/etc/etcd/*' \\) 2>/dev/null; :"
        )
        assert _sh(lab, node, named) == "", node.name
        # Under another name too; the cluster's own authorities have keys of that name, and others.
        same_size = f"find / /tmp /run -xdev -type f -size {len(authority)}c"
        sums = _sh(lab, node, f"{same_size} -exec sha256sum {{}} + 2>/dev/null; :")
        assert sums, node.name  # the keys that belong here have that size
        assert digest not in sums, (node.name, sums)
