"""How each fault is brought in, mended and looked at; commands run in the machines, not over SSH."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from demo.api import tls_context
from faults import control_plane
from faults.certificates import pair_for
from faults.errors import FaultError
from faults.fault import LOOP_SECONDS, Context
from faults.journal import started
from faults.runs import CLUSTER, JOURNAL
from lab import Lab, LabError, Node, machines
from lab.state import KUBECONFIG

Action = Callable[[Context], None]
Choice = Callable[[Lab], Node]

# Defaults of group_data/.
DATA = "/var/lib/etcd-external"
PKI = "/etc/etcd/pki"
CONTAINER = "etcd"
APISERVER = "/etc/kubernetes/manifests/kube-apiserver.yaml"
# On the same filesystem, for a rename, and not below the manifests, where kubelet would run it.
APISERVER_ASIDE = "/etc/kubernetes/unstack-fault.yaml"
# Takes the etcdutl that is laid there (18 MB) and the lab's snapshot (2 MB to 4 MB), but not the
# 64 MB that a restore preallocates for its write-ahead log.
SMALL_DISK = "40m"
# Of a network for documentation (RFC 5737): nobody's.
FOREIGN_ADDRESS = "192.0.2.1"
_PUT_SECONDS = 5.0
_OTHERS_SECONDS = 60.0
_POLL_SECONDS = 1.0
_GLANCE_SECONDS = 0.005


def etcd_host(lab: Lab) -> Node:
    """The external host to hit: not the first, of which the tool asks more than of the others."""
    return lab.etcd[1]


def second_master(lab: Lab) -> Node:
    """A master to hit that does not take the snapshot."""
    return lab.masters[1]


def last_master(lab: Lab) -> Node:
    """Another one."""
    return lab.masters[2]


def kill_controller(stage: str, seconds: float, operation: str = "") -> Action:
    """kill -9 of the pyinfra process, `seconds` after an operation has started; see `during`."""
    return during(stage, operation, lambda context: context.kill(), seconds)


def during(stage: str, operation: str, action: Action, seconds: float = 0.0) -> Action:
    """Do something `seconds` after the stage's first operation with this in its name has started.

    By the journal and not by the clock: how long it takes to come there depends on the machine.
    """

    def wait(over: threading.Event, context: Context, position: int) -> None:
        while not any(
            place.stage == stage and operation in place.operation for place in started(JOURNAL, position)
        ):
            if over.wait(_GLANCE_SECONDS):
                raise FaultError("the run ended before the fault came: the aim missed")
        if over.wait(seconds):
            raise FaultError("the run ended before the fault came: the aim missed")
        action(context)

    def act(context: Context) -> None:
        position = JOURNAL.stat().st_size
        context.meanwhile(lambda over: wait(over, context, position))

    return act


def on(choice: Choice, command: str) -> Action:
    """A shell command in one machine; raises LabError if it fails."""

    def act(context: Context) -> None:
        _sh(context.lab, choice(context.lab), command)

    return act


def cut_power(choice: Choice, seconds: float = 0.0) -> Action:
    """A machine's power is gone: now, while the run is paused, or `seconds` after it was let go."""

    def act(context: Context) -> None:
        node = choice(context.lab)
        if seconds:
            context.later(seconds, lambda: context.lab.kill(node))
        else:
            context.lab.kill(node)

    return act


def switch_on(choice: Choice) -> Action:
    """Its power is back; nothing happens to a machine that runs."""
    return lambda context: context.lab.start(choice(context.lab))


def load_image(context: Context) -> None:
    """The etcd image is there again, from the machine's own archives."""
    # A start of a machine that runs does this alone.
    context.lab.start(etcd_host(context.lab))


_SSH_RULES = ("INPUT -p tcp --dport 22 -j DROP", "OUTPUT -p tcp --sport 22 -j DROP")


def cut_ssh(choice: Choice, seconds: int) -> Action:
    """No packet of SSH passes for `seconds`; the machine itself opens the way again."""
    close = " && ".join(f"iptables -w -I {rule}" for rule in _SSH_RULES)
    open_again = "; ".join(f"iptables -w -D {rule}" for rule in _SSH_RULES)
    unit = f"systemd-run --quiet --collect sh -c 'sleep {seconds}; {open_again}'"
    return on(choice, f"{unit} && {close}")


def open_ssh(choice: Choice) -> Action:
    """The way is open, whether or not the machine has opened it yet."""
    # Each rule as often as it is there.
    loops = "; ".join(f"while iptables -w -D {rule} 2>/dev/null; do :; done" for rule in _SSH_RULES)
    return on(choice, loops)


STOP_STACKED = on(
    second_master,
    # kubelet would start it anew.
    "systemctl stop kubelet && docker ps --quiet --filter name=^k8s_etcd_ | xargs -r docker kill >/dev/null",
)
START_STACKED = on(second_master, "systemctl start kubelet")

_PEER_PORT = 2380


def _peer_rules(lab: Lab) -> list[str]:
    """What keeps an etcd host and the masters' members from each other, in both directions."""
    return [
        rule
        for node in lab.masters
        for port in (f"--dport {_PEER_PORT}", f"--sport {_PEER_PORT}")
        for rule in (
            f"INPUT -p tcp -s {node.ip} {port} -j DROP",
            f"OUTPUT -p tcp -d {node.ip} {port} -j DROP",
        )
    ]


def cut_peers(seconds: int) -> Action:
    """No packet passes between old and new members for `seconds`; the machines open the way again."""

    def act(context: Context) -> None:
        rules = _peer_rules(context.lab)
        open_again = "; ".join(f"iptables -w -D {rule}" for rule in rules)
        unit = f"systemd-run --quiet --collect sh -c 'sleep {seconds}; {open_again}'"
        close = " && ".join(f"iptables -w -I {rule}" for rule in rules)
        machines.parallel(lambda node: _sh(context.lab, node, f"{unit} && {close}"), context.lab.etcd)

    return act


def open_peers(context: Context) -> None:
    """The way is open, whether or not the machines have opened it yet."""
    # Each rule as often as it is there.
    rules = _peer_rules(context.lab)
    loops = "; ".join(f"while iptables -w -D {rule} 2>/dev/null; do :; done" for rule in rules)
    machines.parallel(lambda node: _sh(context.lab, node, loops), context.lab.etcd)


FILL_DISK = on(
    etcd_host,
    f"mkdir -p -m 0700 {DATA} && mount -t tmpfs -o size={SMALL_DISK},mode=0700 tmpfs {DATA}",
)
# The container first: it would hold the filesystem.
FREE_DISK = on(
    etcd_host,
    f"docker rm -f {CONTAINER} >/dev/null 2>&1;"
    f" while mountpoint -q {DATA}; do umount {DATA} || umount -l {DATA} || exit 1; done",
)

_SNAPSHOT = f'file=$(ls -t {DATA}/snapshot-*.db | head -n 1) && [ -n "$file" ]'
FLIP_BYTE = on(
    etcd_host,
    f'{_SNAPSHOT} && middle=$(($(stat -c %s "$file") / 2))'
    ' && byte=$(od -An -tu1 -j "$middle" -N 1 "$file" | tr -d " ")'
    ' && printf "\\\\$(printf %03o $((byte ^ 255)))"'
    ' | dd of="$file" bs=1 seek="$middle" conv=notrunc status=none',
)
TRUNCATE = on(etcd_host, f'{_SNAPSHOT} && truncate -s -4096 "$file"')
EMPTY_DATA = on(etcd_host, f"rm -rf {DATA}/data/*")


def exchange_peer_certificate(context: Context) -> None:
    """The member's peer pair is one of the same CA, for an address that is not its own."""
    node = etcd_host(context.lab)
    certificate, key = pair_for(CLUSTER / "pki", node.name, FOREIGN_ADDRESS)
    files = {f"{PKI}/peer.crt": (certificate, 0o644), f"{PKI}/peer.key": (key, 0o600)}
    _sh(context.lab, node, f"test -f {PKI}/peer.crt && test -f {PKI}/peer.key")
    context.lab.client.containers.get(node.container).put_archive("/", machines.tar(files))


def remove_image(context: Context) -> None:
    """The etcd image and the container made from it are gone."""
    image = context.lab.images.etcd_image
    _sh(context.lab, etcd_host(context.lab), f"docker rm -f {CONTAINER} && docker rmi -f {image}")


def look_for_empty_voter(context: Context) -> list[str]:
    """A member that runs although its data was taken away, and holds nothing."""
    node = etcd_host(context.lab)
    state = "docker inspect --type container --format '{{.State.Status}}'"
    _, status = context.lab.exec(node, f"{state} {CONTAINER} 2>/dev/null")
    if status.strip() != "running":
        return []
    count = f'docker exec {CONTAINER} etcdctl get "" --prefix --count-only --consistency=s -w fields'
    code, text = context.lab.exec(node, count)
    held = [line for line in text.splitlines() if line.startswith('"Count"')]
    if code == 0 and held and not held[0].endswith(" 0"):
        return []
    return [f"{node.name}: a member runs that holds nothing: {' '.join(text.split())[:100]}"]


def add_bad_flag(context: Context) -> None:
    """The last master's new API server gets a flag that it refuses, as soon as its manifest is there."""
    node = last_master(context.lab)
    script = (
        f"end=$(($(date +%s) + {LOOP_SECONDS}));"
        f" until [ -f {APISERVER} ]; do [ $(date +%s) -lt $end ] || exit 1; sleep 0.02; done;"
        f" cp -p {APISERVER} {APISERVER_ASIDE}"
        r" && sed -i 's/^\( *\)- kube-apiserver$/&\n\1- --no-such-flag=1/'"
        f" {APISERVER_ASIDE} && grep -q no-such-flag {APISERVER_ASIDE} && mv {APISERVER_ASIDE} {APISERVER}"
    )
    context.meanwhile(lambda _: _sh(context.lab, node, script))


REMOVE_BAD_FLAG = on(
    last_master,
    f"if grep -qs no-such-flag {APISERVER}; then cp -p {APISERVER} {APISERVER_ASIDE}"
    f" && sed -i /no-such-flag/d {APISERVER_ASIDE} && mv {APISERVER_ASIDE} {APISERVER}; fi",
)


def look_at_other_masters(context: Context) -> list[str]:
    """What keeps the control plane of all masters but the last from being whole, on the new etcd."""
    others = [node for node in context.lab.masters if node != last_master(context.lab)]
    tls = tls_context(KUBECONFIG)
    deadline = time.monotonic() + _OTHERS_SECONDS
    while True:
        found = control_plane.look(context.lab, tls, others, ())
        if found.state == "new":
            return []
        if time.monotonic() > deadline:
            return [f"the other masters' control plane is {found.state}: {'; '.join(found.details)}"]
        time.sleep(_POLL_SECONDS)


def write_directly(context: Context) -> None:
    """A client that knows nothing of API servers goes on writing to the old etcd."""

    def write(over: threading.Event) -> None:
        acknowledged = number = 0
        while not over.is_set():
            number += 1
            try:
                key = f"/registry/unstack-direct/{number}"
                context.lab.etcdctl("put", key, str(number), timeout_seconds=_PUT_SECONDS)
                acknowledged += 1
            except LabError:
                over.wait(0.1)
        if not acknowledged:
            raise FaultError("the fault did not come: the old etcd took no direct write")

    context.meanwhile(write)


def _sh(lab: Lab, node: Node, command: str) -> str:
    return machines.check(lab.client, node.container, command)
