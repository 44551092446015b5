"""The rows of the matrix; first those of the snapshot strategy.

Before the cutover a run that fails brings the old control plane back by itself, and the next deploy
migrates. After it there is no way back without losing writes: the new one has to stand. A run that is
killed can do neither, so what a kill leaves is whatever its stage has come to.
"""

from __future__ import annotations

from collections.abc import Sequence

from faults import injections as do
from faults import live_rows
from faults.control_plane import State
from faults.errors import FaultError
from faults.fault import Fault
from faults.injections import etcd_host, last_master, second_master
from faults.points import before

_DOWN: frozenset[State] = frozenset({"down"})
_AHEAD: frozenset[State] = frozenset({"new", "mixed"})
# A fault of an etcd host need not hold the outage up for the default minute.
_START_SECONDS = {"start_timeout_seconds": "20"}


def _kill(
    stage: str,
    seconds: float,
    expects: frozenset[State] = _DOWN,
    settle_seconds: float = 3.0,
) -> Fault:
    """kill -9 of the controller in a stage, `seconds` after its first operation has started."""
    return Fault(
        name=f"kill-{stage}",
        stage=stage,
        point=before(stage),
        what=f"kill -9 of the controller {seconds:g} s into the stage",
        inject=do.kill_controller(stage, seconds),
        expects=expects,
        settle_seconds=settle_seconds,
        is_kill=True,
    )


# The stages' measured durations are 1.5, 0.5, 0.12, 0.25, 1.1, 0.3, 10 and 20 s.
KILLS = (
    _kill("fence", 0.5, frozenset({"down", "mixed", "old"})),
    _kill("snapshot", 0.15),
    _kill("distribute", 0.02),
    _kill("restore", 0.08),
    _kill("start", 0.4),
    _kill("prove", 0.1),
    # The API servers come up without a controller; controller-manager and scheduler do not.
    _kill("cutover", 2.5, _AHEAD, 15.0),
    _kill("confirm", 0.3, frozenset({"new"}), 90.0),
)

HOSTS = (
    Fault(
        name="etcd-host-stopped-during-restore",
        stage="restore",
        point=before("restore"),
        what="an etcd host loses its power before the stage",
        inject=do.cut_power(etcd_host),
        heal=do.switch_on(etcd_host),
    ),
    Fault(
        name="etcd-host-stopped-during-start",
        stage="start",
        point=before("start"),
        what="an etcd host loses its power before the stage",
        inject=do.cut_power(etcd_host),
        heal=do.switch_on(etcd_host),
        is_short=True,
    ),
    Fault(
        name="master-stopped-during-fence",
        stage="fence",
        point=before("fence"),
        what="a master loses its power 0.3 s into the stage",
        inject=do.cut_power(last_master, 0.3),
        heal=do.switch_on(last_master),
        # Nobody can put back the manifests of a master that is off.
        expects=frozenset({"old", "mixed"}),
        settle_seconds=20.0,
    ),
    Fault(
        name="master-stopped-during-cutover",
        stage="cutover",
        point=before("cutover"),
        what="a master loses its power 1.5 s into the stage",
        inject=do.cut_power(last_master, 1.5),
        heal=do.switch_on(last_master),
        expects=_AHEAD,
        settle_seconds=20.0,
    ),
    Fault(
        name="ssh-cut-20s",
        stage="snapshot",
        point=before("snapshot"),
        what="a master's SSH packets are dropped for 20 s",
        inject=do.cut_ssh(second_master, 20),
        heal=do.open_ssh(second_master),
        # The connection may outlive it.
        expects=frozenset({"old", "new"}),
    ),
)

DATA = (
    Fault(
        name="disk-full-during-restore",
        stage="restore",
        # After preflight has looked at the disk, and before anything lies there.
        point=before("prepare"),
        what="an etcd host's disk takes the snapshot and not the restored data",
        inject=do.FILL_DISK,
        heal=do.FREE_DISK,
    ),
    Fault(
        name="snapshot-byte-flipped",
        stage="restore",
        point=before("restore"),
        what="one byte of an etcd host's copy of the snapshot changes",
        inject=do.FLIP_BYTE,
        is_short=True,
    ),
    Fault(
        name="snapshot-truncated",
        stage="restore",
        point=before("restore"),
        what="an etcd host's copy of the snapshot lacks its last 4096 bytes",
        inject=do.TRUNCATE,
    ),
    Fault(
        name="data-emptied",
        stage="start",
        point=before("start"),
        what="an etcd host's restored data is removed",
        inject=do.EMPTY_DATA,
        look=do.look_for_empty_voter,
    ),
    Fault(
        name="direct-writer",
        stage="snapshot",
        point=before("snapshot"),
        what="a client goes on writing to the old etcd past the fence",
        inject=do.write_directly,
    ),
)

PROGRAMS = (
    Fault(
        name="peer-certificate-without-address",
        stage="start",
        point=before("start"),
        what="a member's peer certificate is for another address",
        inject=do.exchange_peer_certificate,
        data=_START_SECONDS,
    ),
    Fault(
        name="docker-stopped-at-start",
        stage="start",
        point=before("start"),
        what="an etcd host's container engine is stopped",
        inject=do.on(etcd_host, "systemctl stop docker.socket docker"),
        heal=do.on(etcd_host, "systemctl start docker"),
        data=_START_SECONDS,
    ),
    Fault(
        name="image-missing-at-start",
        stage="start",
        point=before("start"),
        what="an etcd host's image and container are removed",
        inject=do.remove_image,
        heal=do.load_image,
        data=_START_SECONDS,
    ),
    Fault(
        name="apiserver-bad-flag",
        stage="cutover",
        point=before("cutover"),
        what="a master's new API server is given a flag that it refuses",
        inject=do.add_bad_flag,
        look=do.look_at_other_masters,
        heal=do.REMOVE_BAD_FLAG,
        data={"ready_timeout_seconds": "25"},
        # The others have acknowledged writes: going back would lose them.
        expects=_AHEAD,
        settle_seconds=20.0,
    ),
    Fault(
        name="kubelet-stopped",
        stage="fence",
        point=before("fence"),
        what="a master's kubelet is stopped, so its API server stays",
        inject=do.on(second_master, "systemctl stop kubelet"),
        heal=do.on(second_master, "systemctl start kubelet"),
        data={"fence_timeout_seconds": "15"},
    ),
)

ROWS: tuple[Fault, ...] = (*KILLS, *HOSTS, *DATA, *PROGRAMS, *live_rows.ROWS)


def short() -> tuple[Fault, ...]:
    """The selection that is part of `make test`, beside kills in every stage: a lost host, a bad disk."""
    return tuple(fault for fault in ROWS if fault.is_short)


def named(names: Sequence[str]) -> tuple[Fault, ...]:
    """The rows of these names, in the matrix's order. Raises FaultError on a name that is none."""
    unknown = sorted(set(names) - {fault.name for fault in ROWS})
    if unknown:
        raise FaultError(f"no fault is called {', '.join(unknown)}: `python -m faults --list`")
    return tuple(fault for fault in ROWS if fault.name in names)
