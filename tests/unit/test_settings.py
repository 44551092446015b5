"""Settings: nothing misspelt, impossible or dangerous passes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from unstack.settings import Settings
from unstack.versions import EtcdVersion

LEAST: dict[str, Any] = {"cluster": "prod", "etcd_image": "quay.io/coreos/etcd:v3.5.30"}


def refused(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**{**LEAST, **settings})
    return str(caught.value)


def test_cluster_and_image_are_enough() -> None:
    settings = Settings(**LEAST)
    assert settings.version == EtcdVersion(3, 5, 30)
    assert settings.etcd_data_directory != "/var/lib/etcd"  # the stacked one's
    for profile in (settings.pki.profiles.server, settings.pki.profiles.peer):
        assert {"server auth", "client auth"} <= set(profile.usages)
    assert "server auth" not in settings.pki.profiles.client.usages


@pytest.mark.parametrize("missing", ["cluster", "etcd_image"])
def test_refuses_to_guess(missing: str) -> None:
    with pytest.raises(ValidationError, match=f"{missing}\n  Field required"):
        Settings(**{key: value for key, value in LEAST.items() if key != missing})


@pytest.mark.parametrize(
    "settings",
    [
        {"etcd_imge": "x"},
        {"pki": {"host": ["a"]}},
        {"pki": {"ca": {"cn": "a"}}},
        {"pki": {"profiles": {"etcd": {"usages": []}}}},
    ],
)
def test_refuses_a_misspelt_name_at_any_depth(settings: dict[str, Any]) -> None:
    assert "Extra inputs are not permitted" in refused(**settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings(**LEAST).cluster = "other"


@pytest.mark.parametrize("image", ["etcd", "etcd:latest", "etcd@sha256:00ff"])
def test_refuses_an_image_of_unknown_version(image: str) -> None:
    assert "set etcd_version to what the image holds" in refused(etcd_image=image)
    assert Settings(**{**LEAST, "etcd_image": image, "etcd_version": "3.5.16"}).version.patch == 16


def test_refuses_a_version_that_is_none() -> None:
    assert "not an etcd version: '3.5'" in refused(etcd_version="3.5")


@pytest.mark.parametrize("name", ["", "Prod", "../x", "a/b", "a-", "a b", "prod\n"])
def test_refuses_a_cluster_name_that_is_no_directory_name(name: str) -> None:
    assert "cluster" in refused(cluster=name)


@pytest.mark.parametrize("path", ["etcd", "/", "/var/lib/etcd/", "/var/lib/$x", "/a b", "/a\n"])
def test_refuses_a_path_that_a_shell_would_read_otherwise(path: str) -> None:
    assert "etcd_data_directory" in refused(etcd_data_directory=path)


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ({"algo": "ecdsa", "size": 256}, True),
        ({"algo": "rsa", "size": 4096}, True),
        ({"algo": "rsa", "size": 1024}, False),
        ({"algo": "rsa"}, False),
        ({"algo": "ecdsa", "size": 2048}, False),
        ({"algo": "ed25519", "size": 256}, False),
    ],
)
def test_takes_only_keys_that_tls_takes(key: dict[str, Any], accepted: bool) -> None:
    if accepted:
        assert Settings(**{**LEAST, "pki": {"key": key}}).pki.key.size == key["size"]
    else:
        assert "pki.key" in refused(pki={"key": key})


@pytest.mark.parametrize("expiry", ["8760", "1y", "", "-1h", "0h", "876001h", "9" * 20 + "h", "1h\n"])
def test_refuses_an_expiry_that_no_certificate_can_have(expiry: str) -> None:
    assert "pki.ca.expiry" in refused(pki={"ca": {"expiry": expiry}})


@pytest.mark.parametrize(
    "pki",
    [
        {"ca": {"CN": ""}},
        {"ca": {"CN": "x" * 65}},
        {"names": {"C": "Switzerland"}},
        {"names": {"O": "x" * 65}},
        {"names": {"L": "x" * 129}},
        {"profiles": {"client": {"usages": ["any"]}}},
    ],
)
def test_refuses_a_subject_or_usage_that_x509_does_not_know(pki: dict[str, Any]) -> None:
    assert "pki." in refused(pki=pki)


def test_expiry_is_in_hours() -> None:
    assert Settings(**LEAST).pki.ca.expiry_hours == 10 * 365 * 24


def test_refuses_two_listeners_on_one_port() -> None:
    assert "not all different" in refused(etcd_metrics_port=2379)
    assert "not all different" in refused(etcd_peer_port=2381)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_refuses_a_port_that_does_not_exist(port: int) -> None:
    assert "etcd_client_port" in refused(etcd_client_port=port)


def test_refuses_elections_within_five_heartbeats() -> None:
    assert "five heartbeat intervals" in refused(etcd_heartbeat_interval_milliseconds=201)
    Settings(**LEAST, etcd_heartbeat_interval_milliseconds=200)


@pytest.mark.parametrize("duration", ["7", "1w", "-1d", "1.5h", "d", "7d\n", "1h30m", 7])
def test_refuses_a_soak_time_that_is_not_a_number_with_a_unit(duration: object) -> None:
    assert "decommission_after" in refused(decommission_after=duration)


@pytest.mark.parametrize(("duration", "hours"), [("7d", 168), ("36h", 36), ("90m", 1.5), ("0s", 0)])
def test_soak_time_is_a_duration(duration: str, hours: float) -> None:
    assert Settings(**LEAST, decommission_after=duration).soak_time.total_seconds() == hours * 3600


def test_a_load_balancer_may_need_no_time_but_not_less() -> None:
    assert Settings(**LEAST, load_balancer_seconds=0).load_balancer_seconds == 0
    assert "load_balancer_seconds" in refused(load_balancer_seconds=-1)


def test_an_api_server_may_be_given_no_time_to_end_but_not_less() -> None:
    assert Settings(**LEAST, apiserver_grace_seconds=0).apiserver_grace_seconds == 0
    assert "apiserver_grace_seconds" in refused(apiserver_grace_seconds=-1)
