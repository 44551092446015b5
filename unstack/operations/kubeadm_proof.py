"""The proof by kubeadm itself: its next upgrade keeps the external etcd."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pyinfra import host, inventory, logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.api_access import api_access
from unstack.facts.api import ApiObject
from unstack.facts.cluster import observe_masters, placed
from unstack.guard import Commands, is_executing, step
from unstack.kubeadm import KubeadmConfigError, with_init_configuration
from unstack.kubeadm_proof import manifest_problems, plan_problems
from unstack.manifest import ApiServerManifest, ManifestError
from unstack.observations import MasterHost, Report, parse_report
from unstack.operations.kubeadm_config import cluster_configuration
from unstack.problems import Problem
from unstack.remote import run_script
from unstack.run import Run, masters, on_each, read, refusal
from unstack.topology import Topology

MANIFEST_SECONDS = 30
# Its checks alone may wait 15 s for a pod.
PLAN_SECONDS = 90


@step
def prove_by_kubeadm(run: Run) -> Commands:
    """
    Let every master's kubeadm make its kube-apiserver manifest, and one of them plan an upgrade.

    + run: this run

    Before the stacked etcd is stopped, where the strategy is no live one: nothing may depend on it any
    more. On a master without kubeadm there is nothing to prove, which is a warning. Changes nothing on the
    hosts; of `kubeadm upgrade plan` itself a job that it starts and removes is a part.
    """
    if host.name == run.lead() and is_executing():
        _prove(run)
    host.noop("kubeadm is asked, and changes nothing")
    return
    yield


def _prove(run: Run) -> None:
    observed = observe_masters(run.topology)
    if _is_proven(run, observed):
        return
    live = {name: placed(name, one, run.topology).manifest for name, one in observed.items()}
    made = on_each(
        masters(),
        lambda one: made_by_kubeadm(
            one, live[one.name], cluster_configuration(api_access(live[one.name])), run.topology
        ),
    )
    with_kubeadm = [name for name, report in made.items() if "kubeadm" in report]
    problems: list[Problem] = []
    for name, report in made.items():
        if name not in with_kubeadm:
            unproven = "no kubeadm on this host: what it would make of kubeadm-config is not proven"
            _tell(run, name, unproven, logger.warning)
            continue
        differing = list(manifest_problems(name, report.get("manifest", ("",))[0], live[name]))
        if not differing:
            version = report["kubeadm"][0]
            _tell(run, name, f"kubeadm {version} makes a kube-apiserver manifest with the same etcd settings")
        problems += differing
    if with_kubeadm and not problems:
        problems += _planned(run, inventory.get_host(with_kubeadm[0]), live[with_kubeadm[0]])
    if problems:
        raise refusal(problems, standing(observed))


def _is_proven(run: Run, observed: Mapping[str, MasterHost]) -> bool:
    """True where an earlier run has done it, and the confirmation was not asked for by itself.

    By snapshot the stacked etcd is stopped after it; live before it, so there the record has to be.
    """
    if any("etcd" in one.live for one in observed.values()):
        return False
    is_confirmed = all(one.confirmed is not None for one in observed.values())
    return "cutover" in run.planned or ("switch" in run.planned and is_confirmed)


def standing(observed: Mapping[str, MasterHost]) -> str:
    """What a refusal after the cutover says of the cluster: of a live one the stacked members have left."""
    left = any("etcd" in one.live for one in observed.values())
    return f"The control plane works on the external etcd{'; no stacked etcd was stopped' if left else ''}."


def made_by_kubeadm(one: Host, live: ApiServerManifest, text: str, topology: Topology) -> Report:
    """The report of kubeadm-manifest.sh on a master for the ClusterConfiguration `text`.

    Raises OperationError where it can't be read, or kubeadm makes nothing of it.
    """
    try:
        configuration = with_init_configuration(
            text,
            advertise_address=live.advertise_address,
            bind_port=live.secure_port,
        )
    except (KubeadmConfigError, ManifestError) as error:
        raise OperationError(f"{one.name}: {error}") from None
    arguments = (topology.settings.manifests_directory, str(MANIFEST_SECONDS))
    return parse_report(run_script(one, "kubeadm-manifest", *arguments, stdin=configuration))


def _planned(run: Run, one: Host, live: ApiServerManifest) -> list[Problem]:
    """What is wrong with this master's `kubeadm upgrade plan` for the version that runs."""
    access = api_access(live)
    version = str(read([one], ApiObject, access=access, path="/version")[one.name]["gitVersion"])
    report = parse_report(
        run_script(
            one,
            "kubeadm-plan",
            version,
            access.url,
            access.ca,
            access.certificate,
            access.key,
            ",".join(run.topology.settings.kubeadm_ignored_preflight_errors),
            str(PLAN_SECONDS),
        )
    )
    problems = list(plan_problems(one.name, report["output"][0], live))
    if not problems:
        servers = ", ".join(live.etcd_servers)
        _tell(run, one.name, f"kubeadm upgrade plan {version} works with the external etcd {servers}")
    return problems


def _tell(run: Run, name: str, found: str, show: Callable[[str], None] = logger.info) -> None:
    """Show it, and note it for the report."""
    show(f"    {name}: {found}")
    run.journal.record("kubeadm", host=name, found=found)
