"""What the stacked control plane has left in the cluster's own objects: mirror pods and masterleases."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyinfra import host, inventory, logger

from unstack.facts.api import ApiObject
from unstack.facts.cluster import known_masters, placed
from unstack.facts.hosts import Masterleases
from unstack.guard import Commands, action, step
from unstack.manifest import flag
from unstack.mirror_pods import PODS, mirror_pods
from unstack.operations.cutover import access_of
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.run import Run, read

ETCD_PODS = f"{PODS}?labelSelector=component%3Detcd"
# An API server writes its masterlease every 10 s, and it runs out after 15 s.
MASTERLEASE_SECONDS = 20


@dataclass(frozen=True)
class Leftovers:
    """Mirror pods of static pods that are gone, and masterleases of API servers that are gone."""

    mirror_pods: tuple[str, ...]
    masterleases: Mapping[str, int]  # {address: revision of its last write}
    problems: tuple[Problem, ...]  # who writes one, and is no master of the inventory

    def lines(self) -> Iterator[str]:
        """What becomes of them, in words."""
        yield f"mirror pods of the stacked etcd to be removed: {', '.join(self.mirror_pods) or 'none'}"
        yield f"stale masterleases to be removed: {', '.join(self.masterleases) or 'none'}"


def is_due(run: Run) -> bool:
    """True where a decommission was asked for, and a master is left that was not decommissioned."""
    left = not all(one.decommissioned for one in known_masters(run).values())
    return left and run.topology.settings.decommission != "show"


def find_leftovers(run: Run) -> Leftovers:
    """Ask the first master's API server and the first external member. Once no stacked etcd runs."""
    seen = _masterleases(run)
    strange = {address: revision for address, revision in seen.items() if address not in _addresses(run)}
    problems: list[Problem] = []
    if strange:
        logger.info(f"    waiting {MASTERLEASE_SECONDS} s: who is there writes its masterlease anew")
        time.sleep(MASTERLEASE_SECONDS)
        strange, problems = stale(strange, _masterleases(run))
    leftovers = Leftovers(_mirror_pods(run), strange, tuple(problems))
    run.cache["stale masterleases"] = strange
    return leftovers


def stale(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[dict[str, int], list[Problem]]:
    """Those masterleases that nobody has written meanwhile, and a problem for each that somebody has."""
    problems = [
        Problem(
            "cluster",
            f"an API server at {address} that is no master of the inventory",
            "every master in the inventory",
            "add it, or stop it",
        )
        for address, revision in before.items()
        if now.get(address, revision) != revision
    ]
    return {one: revision for one, revision in before.items() if now.get(one) == revision}, problems


def _addresses(run: Run) -> set[str]:
    """By which the masters' API servers are known to each other."""
    manifests = [placed(name, one, run.topology).manifest for name, one in known_masters(run).items()]
    return {str(ipaddress.ip_address(manifest.advertise_address)) for manifest in manifests}


def _prefix(run: Run) -> str:
    lead = known_masters(run)[run.lead()]
    return flag(placed(run.lead(), lead, run.topology).manifest.command, "etcd-prefix") or "/registry"


def _masterleases(run: Run) -> Mapping[str, int]:
    first = run.topology.members[0].name
    return read([inventory.get_host(first)], Masterleases, member=first, prefix=_prefix(run))[first]


def _mirror_pods(run: Run) -> tuple[str, ...]:
    lead = run.lead()
    access = access_of(lead, known_masters(run)[lead], run.topology)
    pods = read([inventory.get_host(lead)], ApiObject, access=access, path=ETCD_PODS)[lead]
    return tuple(str(one["metadata"]["name"]) for one in mirror_pods(pods))


@step
def remove_leftovers(run: Run) -> Commands:
    """
    Remove mirror pods of the stacked etcd, and masterleases that nobody writes any more.

    + run: this run

    kubelet removes a mirror pod together with its static pod, and a masterlease runs out by itself;
    where one was left, the `kubernetes` service would send every third call nowhere.
    """
    if host.name != run.lead() or not is_due(run):
        host.noop("not from here")
        return
    leases: Mapping[str, int] = run.cache["stale masterleases"]
    pods = _mirror_pods(run)
    if not pods and not leases:
        host.noop("nothing is left")
        return

    def remove() -> None:
        lead, first = run.lead(), run.topology.members[0].name
        access = access_of(lead, known_masters(run)[lead], run.topology)
        for pod in pods:
            arguments = (access.url, access.ca, access.certificate, access.key, f"{PODS}/{pod}")
            run_script(inventory.get_host(lead), "api-delete", *arguments)
        for address, revision in leases.items():
            key = f"{_prefix(run)}/masterleases/{address}"
            run_script(inventory.get_host(first), "remove-key", first, key, str(revision))

    yield action(remove)
