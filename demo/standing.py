"""A lab to demonstrate on: healthy, stacked, and untouched by an earlier run."""

from __future__ import annotations

from demo.api import tls_context
from demo.errors import DemoError
from demo.hosts import on_all
from demo.objects import namespace_exists
from demo.processes import COMPONENTS, control_plane
from lab import Lab, LabError, Shape
from lab.progress import say
from lab.state import KUBECONFIG
from lab.up import up

# What a run makes, wherever it stopped; group_data's directories.
_MASTER_TRACES = "/etc/kubernetes/unstack /etc/kubernetes/unstack-demo-floor /var/lib/unstack"
_ETCD_TRACES = "/etc/etcd /var/lib/etcd-external/data"


def fresh_lab() -> tuple[Lab, bool]:
    """A healthy stacked lab, and whether it had to be made, or was standing still, before.

    An existing lab keeps its shape, so that the demonstration also runs on other ones than the
    default. Raises LabError if no healthy lab comes about.
    """
    try:
        lab = Lab.load()
    except LabError:
        return up(Shape()), True
    shape, stood_still = lab.shape, False
    try:
        touched = traces(lab)
    except (LabError, DemoError) as error:
        touched, stood_still = [str(error)], _stands_still(lab)
    if touched:
        say(f"the lab is not fresh: {'; '.join(touched)}")
        try:
            lab.reset()
        except LabError as error:
            say(f"{error}: making it anew")
    return up(shape), stood_still


def traces(lab: Lab) -> list[str]:
    """What an earlier run has left in the lab, one line each; empty if it is fresh."""
    listing = "for path in {}; do [ -e $path ] && echo $path; done; true"
    found = []
    texts = on_all(lab, lab.masters, listing.format(_MASTER_TRACES))
    containers = "docker ps --all --format 'container {{.Names}}'"
    texts |= on_all(lab, lab.etcd, f"{listing.format(_ETCD_TRACES)}; {containers}")
    for node, text in texts.items():
        found += [f"{node} has {line}" for line in text.splitlines()]
    local = ("https://127.0.0.1:2379",)
    for process in control_plane(lab):
        if process.component == COMPONENTS[0] and process.etcd_servers != local:
            found.append(f"{process.master}: its API server is not on its own etcd")
    if not found and namespace_exists(lab.load_balancer, tls_context(KUBECONFIG)):
        found.append("objects of an earlier demonstration")
    return found


def _stands_still(lab: Lab) -> bool:
    try:
        return lab.exec(lab.masters[0], ["true"])[0] != 0
    except LabError:
        return True
