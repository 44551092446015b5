"""What a run said: whether somebody on call would know what to do."""

from __future__ import annotations

import re
from collections.abc import Collection

# "HOST: found X; expected Y; to do: Z"; pyinfra may put "[HOST] " before it. An error of a stage's
# own operation may name the host only there.
_PROBLEM = re.compile(
    r"^\s*(?:-->.*?: )?(?:\[(?P<prefix>[^\]]+)\]\s*)?(?:(?P<host>[^\s:]+(?: [^\s:]+)?): )?"
    r"found \S.*; expected \S.*; to do: \S"
)
# "--> STATE OF THINGS; to do: Z": how the run left the cluster behind.
_WAY_BACK = re.compile(r"^\s*--> (?P<found>\S.*); to do: \S")


def error_lines(text: str, hosts: Collection[str]) -> list[str]:
    """The lines that say what is wrong where, and what to do about it.

    + hosts: names of the inventory; a line about the way back has to name one of them

    A line counts if it reads "HOST: found X; expected Y; to do: Z", or if it tells how the run left
    the control plane of named hosts behind and what to do next.
    """
    return [line.strip() for line in text.splitlines() if _is_problem(line) or _is_way_back(line, hosts)]


def has_traceback(text: str) -> bool:
    """Whether a traceback was shown: nobody on call should have to read one."""
    return "Traceback (most recent call last)" in text


def _is_problem(line: str) -> bool:
    match = _PROBLEM.match(line)
    return match is not None and (match["host"] or match["prefix"]) is not None


def _is_way_back(line: str, hosts: Collection[str]) -> bool:
    match = _WAY_BACK.match(line)
    return match is not None and any(
        re.search(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", match["found"]) for host in hosts
    )
