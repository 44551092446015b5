"""Whether commands run as root on a host."""

from __future__ import annotations

from pyinfra.api import FactBase


class UserId(FactBase[str | None]):
    """The numeric user by which commands run; None where they don't."""

    def command(self) -> str:
        return "id -u"

    def process(self, output: list[str]) -> str:
        return output[-1].strip()


class RootWithoutPassword(FactBase[bool]):
    """True where the login user is root, or sudo asks for no password. To be asked without sudo."""

    def command(self) -> str:
        return 'if [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; then echo yes; else echo no; fi'

    @staticmethod
    def default() -> bool:
        return False

    def process(self, output: list[str]) -> bool:
        return output[-1].strip() == "yes"
