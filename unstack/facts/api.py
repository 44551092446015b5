"""Facts of the Kubernetes API and of etcdctl's tables."""

from __future__ import annotations

import json
from typing import Any

from pyinfra.api import FactBase, StringCommand

from unstack.api_access import ApiAccess
from unstack.facts.hosts import parsed
from unstack.observations import parse_report
from unstack.scripts import script


class ApiObject(FactBase[dict[str, Any] | None]):
    """An object or list of the API, asked of a master's own API server; None where it has no answer."""

    def command(self, access: ApiAccess, path: str) -> StringCommand:
        return script("api-get", access.url, access.ca, access.certificate, access.key, path)

    def process(self, output: list[str]) -> dict[str, Any]:
        def read(lines: list[str]) -> dict[str, Any]:
            value: dict[str, Any] = json.loads(parse_report(lines)["object"][0])
            return value

        return parsed(read, output)


class MemberTables(FactBase[tuple[str, ...] | None]):
    """etcdctl's tables of member list, endpoint status and endpoint health, in this order."""

    def command(self, member: str) -> StringCommand:
        return script("member-tables", member)

    def process(self, output: list[str]) -> tuple[str, ...]:
        return parsed(lambda lines: parse_report(lines)["tables"], output)


class FirstWatchAnswer(FactBase[dict[str, Any] | None]):
    """What a master's own API server answers a watch first; {} where it only waits, None if unread."""

    def command(self, access: ApiAccess, path: str) -> StringCommand:
        return script("observe-watch", access.url, access.ca, access.certificate, access.key, path)

    def process(self, output: list[str]) -> dict[str, Any]:
        def read(lines: list[str]) -> dict[str, Any]:
            value: dict[str, Any] = json.loads(parse_report(lines)["answer"][0] or "{}")
            return value

        return parsed(read, output)
