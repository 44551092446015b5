"""kubeadm's ClusterConfiguration: the etcd section becomes external and back, the rest stays as it is."""

from __future__ import annotations

import difflib
import json

import pytest
import yaml

from tests.unit.cluster import MANIFESTS
from unstack.kubeadm import VERSIONS, KubeadmConfigError, with_external_etcd, with_kept_etcd

OLD = (MANIFESTS / "ClusterConfiguration.yaml").read_text()
EXTERNAL = {
    "endpoints": ["https://172.30.0.31:2379"],
    "caFile": "/p/ca.crt",
    "certFile": "/p/client.crt",
    "keyFile": "/p/client.key",
}


def _merged(text: str) -> str:
    return with_external_etcd(
        text,
        endpoints=["https://172.30.0.31:2379"],
        cafile="/p/ca.crt",
        certfile="/p/client.crt",
        keyfile="/p/client.key",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_merges_the_external_endpoints_and_keeps_every_other_line(version: str) -> None:
    old = OLD.replace("kubeadm.k8s.io/v1beta2", version)
    new = _merged(old)
    assert yaml.safe_load(new) == {**yaml.safe_load(old), "etcd": {"external": EXTERNAL}}
    changed = [
        line
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert all(line[1:].startswith("  ") for line in changed), changed
    assert [line for line in changed if line[0] == "-"] == [
        "-  local:",
        "-    dataDir: /var/lib/etcd",
        "-    imageTag: 3.5.1-0",
    ]


def test_keeps_the_form_of_every_line_outside_etcd() -> None:
    by_hand = OLD.replace(
        "networking:\n", "networking:  # ours\n  list:\n    - 'a'\n  none: ~\n  flow: {a: 1,b: 2}\n"
    ).replace("imageRepository", "# images\nimageRepository")
    for old in (by_hand, by_hand.replace("\n", "\r\n"), f"---\n{by_hand}".rstrip("\n")):
        new = _merged(old)
        before, rest = old.split("etcd:", 1)
        assert new.startswith(f"{before}etcd:")
        assert new.endswith(rest[rest.index("# images") :])
        assert new.count("\r\n") in (0, new.count("\n"))


def test_merges_an_etcd_section_in_flow_style() -> None:
    local = "etcd:\n  local:\n    dataDir: /var/lib/etcd\n    imageTag: 3.5.1-0\n"
    new = _merged(OLD.replace(local, "etcd: {local: {dataDir: /var/lib/etcd}}  # short\n"))
    assert yaml.safe_load(new)["etcd"] == {"external": EXTERNAL}
    assert "}  # short\n" in new


def test_the_order_of_endpoints_is_no_difference() -> None:
    both = ("https://a:2379", "https://b:2379")
    files = {"cafile": "/p/ca.crt", "certfile": "/p/client.crt", "keyfile": "/p/client.key"}
    merged = with_external_etcd(OLD, endpoints=both, **files)
    assert with_external_etcd(merged, endpoints=both[::-1], **files) == merged


def test_an_error_is_one_line() -> None:
    with pytest.raises(KubeadmConfigError) as caught:
        _merged(OLD + "kind: X\n")
    assert "\n" not in str(caught.value)


def test_a_second_merge_is_none() -> None:
    assert _merged(_merged(OLD)) == _merged(OLD)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no ClusterConfiguration"),
        ("a: [", "no readable YAML"),
        (OLD.replace("v1beta2", "v1alpha3"), "apiVersion kubeadm.k8s.io/v1alpha3"),
        (OLD.replace("kind: ClusterConfiguration", "kind: InitConfiguration"), "InitConfiguration"),
        (OLD.replace("etcd:", "other:"), "neither etcd.local nor etcd.external"),
        (_merged(OLD).replace("172.30.0.31", "10.9.9.9"), "another external etcd"),
        (_merged(OLD).replace("/p/ca.crt", "/q/ca.crt"), "caFile /q/ca.crt, expected /p/ca.crt"),
        (_merged(OLD).replace("etcd:\n", "etcd:\n  local: {}\n"), "both"),
        (OLD.replace("  local:\n", "  external: null\n  unknown:\n"), "another external etcd"),
    ],
)
def test_refuses_what_it_cannot_merge(text: str, reason: str) -> None:
    with pytest.raises(KubeadmConfigError, match=reason):
        _merged(text)


LOCAL = "etcd:\n  local:\n    dataDir: /var/lib/etcd\n    imageTag: 3.5.1-0\n"
FLOW = OLD.replace(LOCAL, "etcd: {local: {dataDir: /var/lib/etcd}}  # short\n")
BY_HAND = OLD.replace(
    LOCAL,
    "etcd:  # ours\n  # stacked\n  local:\n    serverCertSANs: [a, 'b']\n"
    "    extraArgs:\n      a: |\n        b\n\n# images\n",
)
JSON = json.dumps(yaml.safe_load(OLD))
LAST = OLD.replace(LOCAL, "") + LOCAL.rstrip("\n")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    "form", [OLD, FLOW, BY_HAND, JSON, LAST], ids=["kubeadm", "flow", "by-hand", "json", "last-line"]
)
def test_the_way_there_and_back_ends_with_the_same_bytes(form: str, ending: str, version: str) -> None:
    kept = form.replace("kubeadm.k8s.io/v1beta2", version).replace("\n", ending)
    assert _merged(kept) != kept
    assert with_kept_etcd(_merged(kept), kept) == kept


def test_keeps_what_an_upgrade_changed_since() -> None:
    upgraded = (
        OLD.replace("v1beta2", "v1beta3").replace("v1.20.2", "v1.22.17").replace("  type: CoreDNS\n", "")
    )
    current = _merged(upgraded).replace("networking:\n", "networking:  # asked for in ticket 42\n")
    expected = upgraded.replace("networking:\n", "networking:  # asked for in ticket 42\n")
    assert with_kept_etcd(current, OLD) == expected


@pytest.mark.parametrize("kept", [OLD, FLOW, JSON, LAST, OLD.replace("\n", "\r\n")])
@pytest.mark.parametrize("form", [OLD, FLOW, JSON, LAST, OLD.replace("\n", "\r\n")])
def test_puts_the_kept_section_back_into_another_form(form: str, kept: str) -> None:
    current = _merged(form.replace("v1.20.2", "v1.20.15"))
    new = with_kept_etcd(current, kept)
    assert yaml.safe_load(new) == {**yaml.safe_load(current), "etcd": yaml.safe_load(kept)["etcd"]}
    assert new.count("\r\n") in (0, new.count("\n"))
    assert new.startswith(current[: current.index("etcd")])


def test_a_config_with_the_kept_section_stays_as_it_is() -> None:
    current = FLOW.replace("v1.20.2", "v1.20.15")
    assert with_kept_etcd(current, OLD.replace("    imageTag: 3.5.1-0\n", "")) == current


def test_extra_arguments_go_back_into_a_version_that_reads_them() -> None:
    kept = OLD.replace("    imageTag", "    extraArgs: {quota-backend-bytes: '1'}\n    imageTag")
    upgraded = _merged(kept).replace("v1beta2", "v1beta3")
    assert with_kept_etcd(upgraded, kept) == kept.replace("v1beta2", "v1beta3")
    with pytest.raises(KubeadmConfigError, match=r"v1beta4, the kept etcd\.local\.extraArgs .*v1beta2"):
        with_kept_etcd(_merged(kept).replace("v1beta2", "v1beta4"), kept)


@pytest.mark.parametrize(
    ("current", "kept", "reason"),
    [
        ("", OLD, "kubeadm-config holds no ClusterConfiguration"),
        (_merged(OLD), "", "the kept kubeadm-config holds no ClusterConfiguration"),
        (_merged(OLD), "a: [", "the kept kubeadm-config is no readable YAML"),
        (_merged(OLD).replace("v1beta2", "v1beta9"), OLD, "apiVersion kubeadm.k8s.io/v1beta9"),
        (_merged(OLD), OLD.replace("v1beta2", "v1alpha3"), "apiVersion kubeadm.k8s.io/v1alpha3"),
        (_merged(OLD), OLD.replace("ClusterConfiguration", "InitConfiguration"), "InitConfiguration"),
        (_merged(OLD).replace("etcd:", "other:"), OLD, "neither etcd.local nor etcd.external"),
        (_merged(OLD).replace("etcd:\n", "etcd:\n  local: {}\n"), OLD, "both"),
        (_merged(OLD), _merged(OLD), "the kept kubeadm-config has no etcd.local"),
        (OLD.replace("3.5.1-0", "3.5.9-0"), OLD, "another etcd.local than the kept one"),
        # Its anchor is outside of the section, and would have to come along.
        (
            _merged(OLD),
            OLD.replace("dataDir: /var/lib/etcd", "dataDir: *data").replace("apiServer:", "apiServer: &data"),
            "the changed kubeadm-config is no readable YAML",
        ),
        (
            _merged(OLD),
            OLD.replace(LOCAL, "x: &x\n  etcd: {local: {}}\n<<: *x\n"),
            "does not have etcd in its own place",
        ),
    ],
)
def test_refuses_what_it_cannot_put_back(current: str, kept: str, reason: str) -> None:
    with pytest.raises(KubeadmConfigError, match=reason) as caught:
        with_kept_etcd(current, kept)
    assert "\n" not in str(caught.value)
