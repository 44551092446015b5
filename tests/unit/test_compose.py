"""The compose file of a member, and etcd's flags for the version in its image."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.cluster import TEMPLATES, topology
from unstack.compose import etcd_flags, render_compose

TEMPLATE = (TEMPLATES / "docker-compose.yaml.j2").read_text()


def _flags(image: str) -> tuple[str, ...]:
    cluster = topology(etcd_image=image, allow_inconsistent_etcd=True)
    return etcd_flags(cluster, cluster.members[1])


def test_compose_file_runs_the_member_as_it_has_to() -> None:
    cluster = topology()
    text = render_compose(cluster, cluster.members[1], TEMPLATE)
    service = yaml.safe_load(text)["services"]["etcd"]
    assert service["network_mode"] == "host"
    assert service["container_name"] == "etcd"
    assert service["image"] == "etcd:v3.5.30"
    assert service["command"] == list(etcd_flags(cluster, cluster.members[1]))
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "PRIVATE KEY" not in text


def test_a_restored_member_never_starts_as_a_new_cluster() -> None:
    for image in ("e:v3.4.30", "e:v3.5.1", "e:v3.5.30", "e:v3.6.4"):
        states = [flag for flag in _flags(image) if flag.startswith("--initial-cluster-state")]
        assert states == ["--initial-cluster-state=existing"]


def test_clients_and_peers_must_show_certificates() -> None:
    flags = set(_flags("e:v3.5.30"))
    assert {"--client-cert-auth=true", "--peer-client-cert-auth=true"} <= flags
    assert "--listen-client-urls=https://127.0.0.1:2379,https://172.30.0.32:2379" in flags
    assert "--listen-metrics-urls=http://127.0.0.1:2381" in flags


@pytest.mark.parametrize(
    ("image", "has", "lacks"),
    [
        ("e:v3.4.30", [], ["experimental-watch-progress", "feature-gates", "tls-min-version"]),
        ("e:v3.5.1", ["experimental-watch-progress"], ["compact-hash-check", "tls-min-version"]),
        ("e:v3.5.30", ["experimental-compact-hash-check", "tls-min-version=TLS1.2"], ["feature-gates"]),
        ("e:v3.6.4", ["feature-gates=CompactHashCheck=true"], ["experimental-"]),
    ],
)
def test_flags_fit_the_version(image: str, has: list[str], lacks: list[str]) -> None:
    text = " ".join(_flags(image))
    assert all(flag in text for flag in has)
    assert not any(flag in text for flag in lacks)


def test_members_that_start_together_do_not_wait_for_each_other() -> None:
    assert not any("initial-corrupt-check" in flag for flag in _flags("e:v3.5.30"))
    assert not any("InitialCorruptCheck" in flag for flag in _flags("e:v3.6.4"))
