"""An API server that dies without a word: how long the Service `kubernetes` goes on naming it.

An API server that stops in order takes its own address away; one that dies leaves it, and a client
that is sent there waits for its own timeout. Built twice: in a sound stacked cluster, and with the
entry carried through a migration by hand, whose snapshot holds it.
"""

from __future__ import annotations

import itertools
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from demo.hosts import output
from experiments.slow_delete import by_hand, reading
from experiments.slow_delete.bench import Bench
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.pods import Made, Pods
from lab import Lab, Node
from lab.shape import API_PORT

# What net/http of Go waits for a connection, and with it client-go and most network plugins.
DIAL_SECONDS = 30
_STALE_SECONDS = 90.0
_POLL_SECONDS = 0.25
_RULE = f"INPUT -p tcp --dport {API_PORT} -j DROP"


def build(bench: Bench) -> None:
    """Measure the stale address before, through and after a migration by hand, and pods meanwhile."""
    lab, context = bench.lab, bench.context
    *others, dead = lab.masters
    if not others:
        raise ExperimentError("one master alone can't lose its API server: a lab of 2 or more is needed")
    bench.pods = _pods_through(bench, others)

    standing = bench.pods.make("standing")
    die(lab, dead)
    _while_named(bench, dead, "stacked, an API server just dead", standing, rounds=0)
    revive(lab, context, dead, None)
    await_named(lab, context, dead, time.monotonic(), is_wanted=True)

    die(lab, dead)
    by_hand.take_away(lab, others)
    file, _ = by_hand.snapshot(lab)
    by_hand.restore(lab, file)
    by_hand.put_back(lab, context, others, by_hand.external_urls(lab))
    _while_named(bench, dead, "switched, the other API servers just ready", rounds=1)
    bench.seen.append(f"a connection to an API server that lives: {dial(lab, others[0], others[-1])}")
    bench.moment("with the address gone", rounds=1)
    revive(lab, context, dead, by_hand.external_urls(lab))


def _while_named(bench: Bench, dead: Node, title: str, standing: Sequence[Made] = (), *, rounds: int) -> None:
    """Time pods, and meanwhile the address: one after the other the first would outlive the second."""
    lab, context, since = bench.lab, bench.context, time.monotonic()
    with ThreadPoolExecutor() as pool:
        stayed = pool.submit(await_named, lab, context, dead, since, is_wanted=False)
        dialled = pool.submit(dial, lab, lab.masters[0], dead)
        bench.moment(title, standing, rounds)
    bench.seen.append(f"{title}: its address stayed for {stayed.result():.1f} s")
    bench.seen.append(f"{title}: a connection to that address: {dialled.result()}")


def _pods_through(bench: Bench, servers: list[Node]) -> Pods:
    """Pods on every node, through these API servers alone."""
    places = list(itertools.product(servers, bench.lab.masters + bench.lab.workers))
    patience = bench.measure.give_up_seconds
    return Pods(bench.lab, bench.context, "h3", patience, places)


def die(lab: Lab, master: Node) -> None:
    """Kill a master's API server before it can say so, and answer nothing at its port."""
    script = f"""
set -eu
iptables -w -I {_RULE}
mkdir -p {by_hand.ASIDE}
mv -- {by_hand.MANIFESTS}/kube-apiserver.yaml {by_hand.ASIDE}/
pkill -9 -x kube-apiserver
while pgrep -x kube-apiserver >/dev/null; do sleep 0.1; done
"""
    output(lab, master, ["bash", "-c", script])


def revive(lab: Lab, context: ssl.SSLContext, master: Node, etcd_urls: str | None) -> None:
    """Let it answer again, and start it; `etcd_urls` as in `by_hand.put_back`."""
    output(lab, master, ["bash", "-c", f"iptables -w -D {_RULE}"])
    by_hand.put_back(lab, context, [master], etcd_urls)


def await_named(lab: Lab, context: ssl.SSLContext, master: Node, since: float, *, is_wanted: bool) -> float:
    """Seconds since that moment (monotonic) until the Service names this master, or no more.

    The first master is asked: behind the load balancer the dead one might be. Raises
    ExperimentError where it takes too long.
    """
    deadline = time.monotonic() + _STALE_SECONDS
    while True:
        if (master.ip in reading.endpoint_addresses(lab, context, lab.masters[0])) == is_wanted:
            return time.monotonic() - since
        if time.monotonic() > deadline:
            word = "not named" if is_wanted else "still named"
            raise ExperimentError(
                f"{master.name} is {word} by the Service kubernetes after {_STALE_SECONDS:.0f} s"
            )
        time.sleep(_POLL_SECONDS)


def dial(lab: Lab, source: Node, target: Node) -> str:
    """What a TCP and TLS connection from one master to another's API server comes to, in words."""
    # curl's own status and the seconds until connected, 0 where it never was.
    script = (
        f"curl --silent --insecure --output /dev/null --noproxy '*' --connect-timeout {DIAL_SECONDS}"
        f" --write-out '%{{time_appconnect}} %{{time_total}}' https://{target.ip}:{API_PORT}/healthz || true"
    )
    return dialled(output(lab, source, ["bash", "-c", script]))


def dialled(text: str) -> str:
    """The words for curl's "time_appconnect time_total", both in seconds."""
    try:
        connected, total = (float(word) for word in text.split())
    except ValueError as error:
        raise ExperimentError(f"curl: not understood: {text[:100]!r}") from error
    return f"answered after {connected:.2f} s" if connected else f"given up after {total:.1f} s"
