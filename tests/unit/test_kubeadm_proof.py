"""What kubeadm makes of kubeadm-config, judged against what a master runs."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.unit.cluster import APISERVER, MANIFESTS, master, topology
from unstack.kubeadm import VERSIONS, KubeadmConfigError, with_external_etcd, with_init_configuration
from unstack.kubeadm_proof import configuration_used, manifest_problems, plan_problems
from unstack.manifest import ApiServerManifest, read_apiserver
from unstack.observations import Mark, MasterHost
from unstack.operations import kubeadm_proof

LOCAL = (MANIFESTS / "ClusterConfiguration.yaml").read_text()
SERVERS = ("https://172.30.0.31:2379", "https://172.30.0.32:2379")
PKI = "/etc/kubernetes/pki/etcd-external"
EXTERNAL = with_external_etcd(
    LOCAL,
    endpoints=SERVERS,
    cafile=f"{PKI}/ca.crt",
    certfile=f"{PKI}/client.crt",
    keyfile=f"{PKI}/client.key",
)


def _live(servers: tuple[str, ...] = SERVERS) -> ApiServerManifest:
    return dataclasses.replace(
        read_apiserver(APISERVER),
        etcd_servers=servers,
        etcd_cafile=f"{PKI}/ca.crt",
        etcd_certfile=f"{PKI}/client.crt",
        etcd_keyfile=f"{PKI}/client.key",
    )


def _made(**changes: str) -> str:
    """A manifest as kubeadm makes it, with these etcd flags."""
    flags = {"cafile": f"{PKI}/ca.crt", "certfile": f"{PKI}/client.crt", "keyfile": f"{PKI}/client.key"}
    flags |= {"servers": ",".join(SERVERS), **changes}
    document = yaml.safe_load(APISERVER)
    container = document["spec"]["containers"][0]
    container["command"] = [one for one in container["command"] if not one.startswith("--etcd-")]
    container["command"] += [f"--etcd-{name}={value}" for name, value in flags.items()]
    return yaml.safe_dump(document)


def _plan(configuration: str) -> str:
    return (
        "[upgrade/config] Making sure the configuration is correct:\n"
        f"[upgrade/config] Configuration used:\n{textwrap.indent(configuration, chr(9))}\n"
        "[preflight] Running pre-flight checks.\n\tnot: a part of it\nAwesome, you're up-to-date! Enjoy!\n"
    )


def test_the_order_of_the_servers_is_no_difference() -> None:
    made = _made(servers=",".join(reversed(SERVERS)))
    assert list(manifest_problems("master-1", made, _live())) == []
    assert list(plan_problems("master-1", _plan(EXTERNAL), _live(SERVERS[::-1]))) == []


@pytest.mark.parametrize("flag", ["servers", "cafile", "certfile", "keyfile"])
def test_names_each_setting_that_kubeadm_would_change(flag: str) -> None:
    (problem,) = manifest_problems("master-1", _made(**{flag: "https://127.0.0.1:2379"}), _live())
    assert problem.host == "master-1"
    assert f"--etcd-{flag}=https://127.0.0.1:2379" in problem.found
    assert SERVERS[0] in problem.expected or PKI in problem.expected
    assert "kubeadm-config" in problem.action


@pytest.mark.parametrize("made", ["", "kind: Pod", "- a", "a: [", LOCAL])
def test_a_manifest_that_is_none_is_a_problem(made: str) -> None:
    (problem,) = manifest_problems("master-1", made, _live())
    assert "can't be read" in problem.found


@pytest.mark.parametrize("output", ["", "Awesome, you're up-to-date! Enjoy!\n", _plan(LOCAL), _plan("a: [")])
def test_a_plan_without_external_etcd_is_a_problem(output: str) -> None:
    problems = list(plan_problems("master-1", output, _live()))
    assert problems
    assert all("no external etcd" in one.found for one in problems)


def test_a_plan_with_another_external_etcd_is_a_problem() -> None:
    other = EXTERNAL.replace("172.30.0.32", "172.30.0.99").replace("client.key", "other.key")
    found = [one.found for one in plan_problems("master-1", _plan(other), _live())]
    assert len(found) == 2
    assert "172.30.0.99" in found[0]
    assert "other.key" in found[1]


def test_the_configuration_ends_with_its_own_lines() -> None:
    assert configuration_used(_plan(EXTERNAL)) == yaml.safe_load(EXTERNAL)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("start", ["", "---\n"])
def test_the_init_configuration_is_of_the_same_version_and_leaves_the_other_as_it_is(
    version: str, start: str
) -> None:
    text = EXTERNAL.replace("kubeadm.k8s.io/v1beta2", version)
    made = with_init_configuration(start + text, advertise_address="fd00::11", bind_port=6444)
    init, cluster = yaml.safe_load_all(made)
    assert (init["apiVersion"], init["kind"]) == (version, "InitConfiguration")
    assert init["localAPIEndpoint"] == {"advertiseAddress": "fd00::11", "bindPort": 6444}
    assert cluster == yaml.safe_load(text)


def test_there_is_no_init_configuration_for_what_is_no_cluster_configuration() -> None:
    with pytest.raises(KubeadmConfigError, match="holds no ClusterConfiguration"):
        with_init_configuration("", advertise_address="172.30.0.11", bind_port=6443)


MARK = Mark("r", datetime(2026, 11, 20, tzinfo=timezone.utc))
Asks = Callable[[str, MasterHost], bool]


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> Asks:
    """`asks(stage, master)`: whether a run of that stage and the confirmation asks this master's kubeadm."""

    def prove(stage: str, one: MasterHost) -> bool:
        asked: list[object] = []
        run: Any = SimpleNamespace(topology=topology(), planned={stage: None, "confirm": None})
        monkeypatch.setattr(kubeadm_proof, "observe_masters", lambda topology: {"master-1": one})
        monkeypatch.setattr(kubeadm_proof, "masters", list)
        monkeypatch.setattr(kubeadm_proof, "on_each", lambda hosts, work: asked.append(work) or {})
        kubeadm_proof._prove(run)
        return bool(asked)

    return prove


def _without_etcd(confirmed: Mark | None) -> MasterHost:
    live = {name: text for name, text in master().live.items() if name != "etcd"}
    return master(live=live, confirmed=confirmed)


def test_kubeadm_is_asked_until_a_migration_is_over_and_by_deploy_no_more(asks: Asks) -> None:
    for stage in ("cutover", "switch"):
        assert asks(stage, master())
        assert not asks(stage, _without_etcd(MARK))
    # A live migration asks after its last stacked member has left; the other one before it is stopped.
    assert asks("switch", _without_etcd(None))
    assert not asks("cutover", _without_etcd(None))


def test_kubeadm_is_asked_whenever_the_confirmation_is_run_by_itself(asks: Asks) -> None:
    assert asks("confirm", _without_etcd(MARK))
