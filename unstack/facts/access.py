"""Whether commands run as root on a host."""

from __future__ import annotations

from pyinfra.api import FactBase


class UserId(FactBase[str | None]):
    """The numeric user by which commands run; None where sudo does not let them."""

    def command(self) -> str:
        return "id -u"

    def process(self, output: list[str]) -> str:
        return output[-1].strip()
