"""The pod probe: pods made and removed on every node through every API server, and timed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.api_access import ApiAccess, api_access
from unstack.facts.api import ApiObject
from unstack.facts.cluster import cluster_phase, observe_masters, placed
from unstack.guard import Commands, is_executing, step
from unstack.manifest import ManifestError
from unstack.observations import MasterHost
from unstack.operations.kubeadm_proof import standing
from unstack.placement import Phase
from unstack.pod_probe import (
    AFTER,
    BEFORE,
    LABEL,
    NAMESPACE,
    NOW,
    PodTime,
    Round,
    image_for,
    lost_problems,
    pod_lines,
    ratios,
    read_nodes,
    read_round,
    slower,
)
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.report.source import read_lines
from unstack.run import Run, on_each, read, refusal
from unstack.topology import Topology

# Slow once is chance: other work on a node, kubelet's own garbage collection.
ATTEMPTS = 3
NAMESPACE_SECONDS = 60
NODES = "/api/v1/nodes"


@step
def probe_before(run: Run) -> Commands:
    """
    Time pods on the cluster as it is, for comparison; only where the migration follows in this run.

    + run: this run

    Before the fence and never behind it. A pod that does not come or go is a warning: it is not the
    migration's. A cluster that lets no pod be made for the probe is refused, as nothing is fenced yet.
    """
    follows = {"fence", "grow"} & set(run.planned)
    if host.name == run.lead() and is_executing() and _is_wanted(run) and follows:
        observed = observe_masters(run.topology)
        # A run before this one may have closed the fence; an outage must not wait for pods.
        whole = all("kube-apiserver" in one.live for one in observed.values())
        if whole and cluster_phase(run.topology, observed) is Phase.STACKED:
            with _Probe(run, observed) as probe:
                found = probe.round(BEFORE)
            for problem in lost_problems(found, _limit(run)):
                logger.warning(f"    {problem}")
    host.noop("pods are timed beforehand")
    return
    yield


@step
def probe_after(run: Run) -> Commands:
    """
    Time pods on the migrated cluster and compare with before, at most ATTEMPTS times.

    + run: this run

    Slower pods are a warning. One that does not come or go, where it did before, refuses to put the
    stacked etcd to rest.
    """
    if host.name == run.lead() and is_executing() and _is_wanted(run):
        observed = observe_masters(run.topology)
        # A live migration has let the stacked members leave by now.
        unfinished = any("etcd" in one.live or one.confirmed is None for one in observed.values())
        if unfinished and cluster_phase(run.topology, observed) is Phase.EXTERNAL:
            _compare(run, observed)
    host.noop("pods are timed after the migration")
    return
    yield


@step
def probe_now(run: Run) -> Commands:
    """
    Time pods on the cluster as it is, and refuse where one does not come or go.

    + run: this run
    """
    if host.name == run.lead() and is_executing():
        with _Probe(run, observe_masters(run.topology)) as probe:
            found = probe.round(NOW)
        problems = list(lost_problems(found, _limit(run)))
        if problems:
            raise refusal(problems)
    host.noop("pods are timed")
    return
    yield


def _is_wanted(run: Run) -> bool:
    return run.topology.settings.pod_probe


def _limit(run: Run) -> float:
    return run.topology.settings.pod_probe_timeout_seconds


def _compare(run: Run, observed: Mapping[str, MasterHost]) -> None:
    before = _newest_before(run)
    if before is None:
        logger.info("    no pods were timed beforehand; there is nothing to compare with")
    known = {one.node for one in before.pods} if before else set()
    with _Probe(run, observed, known) as probe:
        for attempt in range(ATTEMPTS):
            if attempt:
                logger.info(f"    pods once more: round {attempt + 1} of {ATTEMPTS} at most")
            found = probe.round(AFTER)
            slow = list(slower(before, found)) if before else []
            lost = found.lost() - (before.lost() if before else set())
            if not slow and not lost:
                break
    if before:
        logger.info(f"    pods: {ratios(before, found) or 'no median to compare'}")
        if found.removes_late:
            logger.info(
                "    pods: kubelets 1.20.0 to 1.20.2 remove them up to a minute late (kubernetes#97288);"
                " that counts where their containers have ended late too"
            )
    for text in slow:
        _warn(run, f"{text}, in each of {ATTEMPTS} rounds")
    mine = replace(found, pods=tuple(one for one in found.pods if (one.api_server, one.node) in lost))
    problems = list(lost_problems(mine, _limit(run)))
    # Where it was so before, it is no sign of the migration.
    for problem in set(lost_problems(found, _limit(run))) - set(problems):
        logger.warning(f"    {problem}")
    if problems:
        raise refusal(problems, standing(observed))


def _newest_before(run: Run) -> Round | None:
    """This migration's round before the fence; of an earlier run where that one died behind it."""
    lines = [line for line in read_lines(run.journal.path) if line["event"] == "pods"]
    found = [line for line in lines if line["when"] == BEFORE]
    if not found:
        return None
    if found[-1]["run"] != run.id:
        logger.info(f"    pods are compared with those before the fence of run {found[-1]['run']}")
    return Round.from_json(found[-1])


def _warn(run: Run, text: str) -> None:
    logger.warning(f"    pods: {text}")
    run.journal.record("pods slower", found=text)


class _Probe:
    """The probe with its namespace, which is made when it is entered and removed when it is left."""

    def __init__(self, run: Run, observed: Mapping[str, MasterHost], known: Collection[str] = ()) -> None:
        """`known` nodes are probed even where they are not ready: they were before."""
        self.run = run
        self.access = _access(observed, run.topology)
        self.lead = inventory.get_host(run.lead())
        self.removes_late = False
        self.images = self._images(known)
        self.rounds = 0

    def __enter__(self) -> _Probe:
        self._namespace("make")
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self._namespace("remove")
        # What was measured counts; the next probe removes what is left over.
        except OperationError as error:
            logger.warning(f"    {error}")

    def round(self, when: str) -> Round:
        """Make and remove a pod on every node through every API server, all at once; told and kept.

        Raises OperationError where a master or its API server can't be asked.
        """
        self.rounds += 1
        logger.info(f"    timing pods on {len(self.images)} nodes, {2 * _limit(self.run):g} s at most")
        hosts = [inventory.get_host(name) for name in self.access]
        found = on_each(hosts, self._timed)
        pods = tuple(one for name in self.access for one in found[name])
        result = Round(when, pods, self.removes_late)
        self.run.journal.record("pods", **result.as_json())
        logger.info(f"    {result}")
        return result

    def _timed(self, one: Host) -> tuple[PodTime, ...]:
        label = f"probe-{self.rounds}-{list(self.access).index(one.name)}"
        lines = run_script(
            one,
            "pod-probe",
            *_arguments(self.access[one.name]),
            NAMESPACE,
            f"{LABEL}={label}",
            str(int(_limit(self.run))),
            stdin=pod_lines(label, self.images),
        )
        return tuple(read_round(lines, one.name, label, self.images))

    def _namespace(self, what: str) -> None:
        access = self.access[self.lead.name]
        run_script(self.lead, "probe-namespace", *_arguments(access), NAMESPACE, what, str(NAMESPACE_SECONDS))

    def _images(self, known: Collection[str]) -> dict[str, str]:
        """{node: image}; a node that is not ready is told and left out."""
        listed = read([self.lead], ApiObject, access=self.access[self.lead.name], path=NODES)
        nodes = read_nodes(listed[self.lead.name])
        probed = [one for one in nodes if one.is_ready or one.name in known]
        for one in set(nodes) - set(probed):
            logger.warning(f"    node {one.name} is not ready; no pod is timed there")
        self.removes_late = any(one.removes_late for one in probed)
        image = self.run.topology.settings.pod_probe_image
        found = {one.name: image_for(one, nodes, image) for one in probed}
        if not probed or None in found.values():
            missing = "pause image among the images of any node" if probed else "node that is ready"
            raise refusal(
                [
                    Problem(
                        "cluster",
                        f"no {missing}",
                        "one for the pod probe",
                        "set pod_probe_image, or pod_probe = False" if probed else "look at the nodes",
                    )
                ],
                "No pod was made.",
            )
        return {name: image for name, image in found.items() if image is not None}


def _access(observed: Mapping[str, MasterHost], topology: Topology) -> dict[str, ApiAccess]:
    """How each master's own API server is asked: {inventory name: access}. Raises OperationError."""
    try:
        return {name: api_access(placed(name, one, topology).manifest) for name, one in observed.items()}
    except ManifestError as error:
        raise OperationError(str(error)) from None


def _arguments(access: ApiAccess) -> tuple[str, ...]:
    return (access.url, access.ca, access.certificate, access.key)
