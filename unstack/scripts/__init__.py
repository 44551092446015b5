"""Shell that runs on the hosts, in files of its own so that shellcheck reads it."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from pyinfra.api import QuoteString, StringCommand

# Every script starts with these: report lines that the controller can parse.
LIBRARY = "library.sh"
# The argument of a script that bounds its waiting, in seconds, by its name in the script's first words.
TIMEOUT = "TIMEOUT"
# What each script that has this argument waits for.
WAITS = {
    "await-apiserver": "kube-apiserver to be ready",
    "await-no-client": "clients of the stacked etcd to go",
    "change-members": "etcd to agree to the change of members",
    "fence": "kube-apiserver, kube-controller-manager and kube-scheduler to end",
    "hold-apiserver": "the lead to move",
    "join": "the learner to catch up",
    "kubeadm-manifest": "kubeadm's kube-apiserver manifest",
    "kubeadm-plan": "kubeadm upgrade plan",
    "pod-probe": "pods to run, and to be gone",
    "probe-namespace": "the namespace of the probe",
    "restart-apiserver": "kube-apiserver to end",
    "retire": "the stacked etcd to end",
    "start": "the member to be healthy",
    "start-controllers": "kube-controller-manager and kube-scheduler to run",
    "start-stacked": "the stacked etcd to be healthy",
    "wake-kubelet": "kubelet to start kube-apiserver",
    "withdraw": "kube-apiserver to end",
}
# How many waits of that length a script has one after the other, where it is not one.
TURNS = {"pod-probe": 2}


class Script(StringCommand):
    """A command that runs a script, with what it `waits_for` and at most how many seconds."""

    waits_for: str | None = None
    limit_seconds: float | None = None


@cache
def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _text(name: str) -> str:
    # Comments stay in the repository: they would only lengthen every command on the wire.
    lines = (line for line in _source(name).splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(line for line in lines if line.strip())


@cache
def parameters(name: str) -> tuple[str, ...]:
    """The names of a script's positional arguments, as its first words say: `# NAME ARGUMENT...: what`."""
    usage = re.search(rf"^# {re.escape(name)}\b([^:\n]*)", _source(f"{name}.sh"), re.MULTILINE)
    return tuple(usage[1].split()) if usage is not None else ()


def script(name: str, *arguments: str) -> Script:
    """A command that runs `<name>.sh` of this folder on a host, with positional arguments.

    Every argument is quoted, so that no value of group_data or of a host can become shell.
    """
    body = f"{_text(LIBRARY)}\n{_text(f'{name}.sh')}"
    command = Script(
        "sh", "-c", QuoteString(body), QuoteString(name), *(QuoteString(item) for item in arguments)
    )
    if name in WAITS:
        command.waits_for = f"waiting for {WAITS[name]}"
        command.limit_seconds = TURNS.get(name, 1) * float(arguments[parameters(name).index(TIMEOUT)])
    return command
