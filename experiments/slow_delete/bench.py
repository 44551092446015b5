"""What a situation is built and measured with."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from demo.api import ApiClient, tls_context
from demo.objects import NAMESPACE, create_namespace
from demo.writers import LOAD_BALANCER, Writers
from experiments.slow_delete import reading
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import PODS, Made, Pods, phase, pod
from experiments.slow_delete.results import Moment
from lab import Lab, Node
from lab.progress import step
from lab.state import KUBECONFIG

_ACCOUNT_SECONDS = 60.0
_WRITE_SECONDS = 180.0
_WRITERS = 4
_WRITES_PER_SECOND = 60.0
_LOST = "lost"


@dataclass(frozen=True)
class Measure:
    """How much is measured: pods per node and API server, patience, writes after a snapshot."""

    rounds: int = 1
    # Kubelets of the lab's release remove a sound pod's object up to a minute late (kubernetes#97288).
    give_up_seconds: float = 90.0
    writes: int = 1000


@dataclass
class Bench:
    """A fresh lab, its pods, and what was seen of it so far."""

    lab: Lab
    context: ssl.SSLContext
    measure: Measure
    pods: Pods
    moments: list[Moment] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    @classmethod
    def prepared(
        cls, lab: Lab, name: str, measure: Measure, places: Sequence[tuple[Node, Node]] | None = None
    ) -> Bench:
        """Ready to make pods in this lab, at these places (API server, node) or at all."""
        context = tls_context(KUBECONFIG)
        create_namespace(lab.load_balancer, context)
        _await_account(lab, context)
        return cls(lab, context, measure, Pods(lab, context, name, measure.give_up_seconds, places))

    def moment(self, title: str, standing: Sequence[Made] = (), rounds: int | None = None) -> Moment:
        """Read the API servers, delete the standing pods, make and remove new ones."""
        servers = reading.api_servers(self.lab, self.context)
        with step(f"timing pods: {title}"):
            timings = self.pods.remove(standing)
            timings += self.pods.rounds(self.measure.rounds if rounds is None else rounds)
        found = Moment(title=title, api_servers=tuple(servers), pods=tuple(timings))
        self.moments.append(found)
        return found

    def write_until(self, revision: int, label: str, *, is_external: bool) -> None:
        """Write ConfigMaps through the load balancer until the store has this revision."""
        addresses = {f"{LOAD_BALANCER}-{number}": self.lab.load_balancer for number in range(_WRITERS)}
        writers = Writers(addresses, self.context, f"slow-delete-{label}", _WRITES_PER_SECOND)
        deadline = time.monotonic() + _WRITE_SECONDS
        writers.start()
        try:
            while reading.revision(self.lab, is_external=is_external) < revision:
                if time.monotonic() > deadline:
                    raise ExperimentError(f"revision {revision} not reached in {_WRITE_SECONDS:.0f} s")
                time.sleep(0.5)
        finally:
            writers.stop()

    def make_lost_pods(self) -> None:
        """A pod on each node that the snapshot does not hold, running.

        Its events give every kubelet a revision that the restored store has not reached. As long as
        a kubelet runs it afterwards, that kubelet has not listed its pods anew.
        """
        client = ApiClient(self.lab.load_balancer, self.context, 10.0)
        nodes = [node.node_name for node in self.lab.masters + self.lab.workers]
        for node in nodes:
            client.expect("POST", PODS, pod(f"{_LOST}-{node}", node))
        deadline = time.monotonic() + self.measure.give_up_seconds
        for node in nodes:
            while phase(client.expect("GET", f"{PODS}/{_LOST}-{node}").body) != "Running":
                if time.monotonic() > deadline:
                    raise ExperimentError(f"the pod on {node} did not run before the migration")
                time.sleep(0.25)
        client.close()

    def note_lost_pods(self, when: str) -> None:
        """Note on which nodes the lost pods still run."""
        found = reading.running_containers(self.lab, _LOST)
        still = [name for name, count in found.items() if count > 0]
        names = f" ({', '.join(still)})" if still else ""
        self.seen.append(
            f"{when}: {len(still)} of {len(found)} kubelets still run the pod that the store has lost{names}"
        )


def _await_account(lab: Lab, context: ssl.SSLContext) -> None:
    """Wait for the default service account, without which pods are refused."""
    client = ApiClient(lab.load_balancer, context, 10.0)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
    deadline = time.monotonic() + _ACCOUNT_SECONDS
    while client.expect("GET", path, accept=(HTTPStatus.NOT_FOUND,)).status != HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise ExperimentError(f"no service account in {NAMESPACE} after {_ACCOUNT_SECONDS:.0f} s")
        time.sleep(0.5)
    client.close()
