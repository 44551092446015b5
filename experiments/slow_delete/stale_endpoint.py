"""An address of the Service `kubernetes` behind which nobody answers any more.

The lab has no kube-proxy, and its network plugin asks no API. Both parts are played: a rule of the
packet filter sends connections to the Service's address to its endpoints in turn, as kube-proxy's
do, and a plugin behind the lab's own opens one connection to it for each pod that comes or goes.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from demo.hosts import on_all, output
from experiments.slow_delete.by_hand import STACKED_ETCDCTL
from experiments.slow_delete.errors import ExperimentError
from experiments.slow_delete.reading import LEASES, endpoint_addresses
from lab import Lab
from lab.shape import API_PORT, SERVICE_SUBNET

SERVICE = str(SERVICE_SUBNET[1])
# The default of Go's HTTP transport, and so of what is written with client-go.
DIAL_SECONDS = 30
_SEEN_SECONDS = 60.0
_CHAIN = "SLOW-DELETE"
_PLUGIN = "/usr/lib/cni/slow-delete"
_CONFIG = "/etc/cni/net.d/10-lab.conflist"

# A chained plugin (CNI 0.4.0): ADD has to hand on the result of the one before it.
PLUGIN = f"""#!/bin/sh
input=$(cat)
ask() {{ curl -sk -o /dev/null --connect-timeout {DIAL_SECONDS} https://{SERVICE}/version; }}
case $CNI_COMMAND in
VERSION) echo '{{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}}' ;;
ADD) ask; printf %s "$input" | jq .prevResult ;;
DEL) ask ;;
esac
exit 0
"""


@dataclass(frozen=True)
class Connections:
    """Connections to the Service's address from one node: seconds of each, None if it failed."""

    seconds: tuple[float | None, ...]
    # The longest that one took to fail; 0 if none did.
    longest_failure: float


def install_plugin(lab: Lab) -> None:
    """Put the plugin behind the lab's own on every node; pods made from now on pass it."""
    on_all(
        lab,
        lab.masters + lab.workers,
        f"""
set -eu
cat >{_PLUGIN} <<'PLUGIN'
{PLUGIN}PLUGIN
chmod 0755 {_PLUGIN}
jq '.plugins += [{{"type": "slow-delete"}}]' {_CONFIG} >{_CONFIG}.new
mv {_CONFIG}.new {_CONFIG}
""",
    )


def play_proxy(lab: Lab, addresses: Sequence[str]) -> None:
    """Send connections to the Service to these addresses in turn, on every node."""
    rules = []
    for number, address in enumerate(addresses):
        rest = len(addresses) - number
        turn = f"-m statistic --mode nth --every {rest} --packet 0 " if rest > 1 else ""
        rules.append(
            f"iptables -t nat -A {_CHAIN} {turn}-p tcp -j DNAT --to-destination {address}:{API_PORT}"
        )
    on_all(
        lab,
        lab.masters + lab.workers,
        f"""
set -eu
iptables -t nat -N {_CHAIN} 2>/dev/null || iptables -t nat -F {_CHAIN}
iptables -t nat -C OUTPUT -d {SERVICE} -p tcp -j {_CHAIN} 2>/dev/null ||
    iptables -t nat -A OUTPUT -d {SERVICE} -p tcp -j {_CHAIN}
{chr(10).join(rules)}
""",
    )


def add_stale_lease(lab: Lab) -> str:
    """Leave the lease of an API server that is no more; returns its address.

    It is that of an external etcd host, which drops what comes for an API server: a machine that is
    there and silent, as behind a firewall. The lease does not end, and the API servers make an
    endpoint of it. Raises ExperimentError if they don't.
    """
    owner, silent = lab.masters[-1].ip, lab.etcd[-1]
    if len(owner) != len(silent.ip):
        raise ExperimentError(f"{owner} and {silent.ip} differ in length: the lease can't be rewritten")
    output(lab, silent, ["iptables", "-A", "INPUT", "-p", "tcp", "--dport", str(API_PORT), "-j", "DROP"])
    # The value is protobuf: an address of the same length leaves everything around it valid.
    script = (
        f"set -euo pipefail; {STACKED_ETCDCTL} get {LEASES}{owner} --print-value-only | head -c -1"
        f" | LC_ALL=C sed 's/{re.escape(owner)}/{silent.ip}/g'"
        f" | {STACKED_ETCDCTL} put {LEASES}{silent.ip}"
    )
    output(lab, lab.masters[0], ["bash", "-c", script])
    return silent.ip


def remove_lease(lab: Lab, address: str) -> None:
    """Delete the lease of this address."""
    lab.etcdctl("del", f"{LEASES}{address}")


def await_endpoint(lab: Lab, context: ssl.SSLContext, address: str, *, is_there: bool) -> list[str]:
    """Wait until the Service has this address, or has it no more; returns its addresses."""
    deadline = time.monotonic() + _SEEN_SECONDS
    while (address in (found := endpoint_addresses(lab, context))) != is_there:
        if time.monotonic() > deadline:
            raise ExperimentError(f"endpoints of the Service after {_SEEN_SECONDS:.0f} s: {found}")
        time.sleep(1.0)
    return found


def connections(lab: Lab, count: int) -> Connections:
    """Open connections to the Service's address from the first master, all at once."""
    one = (
        f"curl --silent --insecure --output /dev/null --connect-timeout {DIAL_SECONDS}"
        f" --write-out '%{{exitcode}} %{{time_total}}\\n' https://{SERVICE}/version"
    )
    script = f"for n in $(seq {count}); do {{ {one} || true; }} & done; wait"
    return parse_connections(output(lab, lab.masters[0], ["bash", "-c", script]))


def parse_connections(text: str) -> Connections:
    """curl's exit code and seconds, a connection a line; raises ExperimentError."""
    seconds: list[float | None] = []
    longest = 0.0
    try:
        for line in text.splitlines():
            code, took = line.split()
            seconds.append(float(took) if int(code) == 0 else None)
            if int(code) != 0:
                longest = max(longest, float(took))
    except ValueError as error:
        raise ExperimentError(f"curl's answers: not understood: {text[:100]!r}") from error
    return Connections(tuple(seconds), longest)
