"""Shell that runs on the hosts, in files of its own so that shellcheck reads it."""

from __future__ import annotations

from functools import cache
from importlib import resources

from pyinfra.api import QuoteString, StringCommand

# Every script starts with these: report lines that the controller can parse.
LIBRARY = "library.sh"


@cache
def _text(name: str) -> str:
    source = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    # Comments stay in the repository: they would only lengthen every command on the wire.
    lines = (line for line in source.splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(line for line in lines if line.strip())


def script(name: str, *arguments: str) -> StringCommand:
    """A command that runs `<name>.sh` of this folder on a host, with positional arguments.

    Every argument is quoted, so that no value of group_data or of a host can become shell.
    """
    body = f"{_text(LIBRARY)}\n{_text(f'{name}.sh')}"
    return StringCommand(
        "sh", "-c", QuoteString(body), QuoteString(name), *(QuoteString(item) for item in arguments)
    )
