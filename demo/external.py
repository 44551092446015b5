"""The external cluster, seen by its own etcdctl."""

from __future__ import annotations

import json
from dataclasses import dataclass

from demo.errors import DemoError
from demo.hosts import output
from demo.tables import printable
from lab import Lab

# The container has ETCDCTL_* set, so nothing about certificates has to be known here.
_ETCDCTL = ("docker", "exec", "etcd", "etcdctl")
_VIEWS = {
    "member list": ("member", "list"),
    "endpoint status": ("endpoint", "status", "--cluster"),
    "endpoint health": ("endpoint", "health", "--cluster"),
}


@dataclass(frozen=True)
class View:
    """One table as etcdctl prints it, or what it said instead."""

    title: str
    text: str


def views(lab: Lab) -> tuple[list[View], list[str]]:
    """Members, status and health as tables, and what is wrong: one line per fault."""
    shown, problems = [], []
    for title, command in _VIEWS.items():
        code, text = lab.exec(lab.etcd[0], [*_ETCDCTL, *command, "-w", "table"])
        shown.append(View(title, printable(text).strip()))
        if code != 0:
            problems.append(f"etcdctl {title} failed with exit code {code}")
    if not problems:
        problems = _member_problems(lab)
    return shown, problems


def _member_problems(lab: Lab) -> list[str]:
    """Each expected client URL has to be that of a voting member, and nothing else a member."""
    text = output(lab, lab.etcd[0], [*_ETCDCTL, "member", "list", "-w", "json"])
    try:
        members = json.loads(text)["members"]
        found = {url for member in members for url in member.get("clientURLs", [])}
        learners = [member.get("name", "?") for member in members if member.get("isLearner")]
    except (ValueError, KeyError, TypeError) as error:
        raise DemoError(f"etcdctl member list: not understood: {text[:100]!r}") from error
    expected = {f"https://{node.ip}:2379" for node in lab.etcd}
    problems = [f"etcd member {name} is a learner" for name in learners]
    if found != expected:
        problems.append(f"etcd members are at {sorted(found)}, expected {sorted(expected)}")
    return problems
