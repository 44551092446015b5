"""etcd versions: read from tags and settings, compared, and the ones that lose data known."""

from __future__ import annotations

import pytest

from unstack.versions import EtcdVersion


@pytest.mark.parametrize("text", ["3.5.16", "v3.5.16", "3.5.16-0", " 3.5.16\n", "3.5.16+b", "3.5.16~1"])
def test_reads_every_usual_spelling(text: str) -> None:
    assert EtcdVersion.parse(text) == (3, 5, 16)
    assert str(EtcdVersion.parse(text)) == "3.5.16"


@pytest.mark.parametrize("text", ["", "3.5", "latest", "3.5.16.1", "3.5.x", "-3.5.1", "3.5.16 rc"])
def test_refuses_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not an etcd version"):
        EtcdVersion.parse(text)


@pytest.mark.parametrize(
    "image",
    [
        "etcd:3.5.16",
        "quay.io/coreos/etcd:v3.5.16",
        "registry:5000/etcd:3.5.16-0",
        "registry:5000/a/etcd:v3.5.16@sha256:00ff",
    ],
)
def test_reads_an_images_tag(image: str) -> None:
    assert EtcdVersion.of_image(image) == EtcdVersion(3, 5, 16)


@pytest.mark.parametrize(
    "image", ["etcd", "etcd:latest", "registry:5000/etcd", "etcd@sha256:00ff", "etcd:3.5"]
)
def test_knows_no_version_of_an_image_without_one(image: str) -> None:
    assert EtcdVersion.of_image(image) is None


def test_compares_by_number_and_not_by_text() -> None:
    assert EtcdVersion.parse("3.5.9") < EtcdVersion.parse("3.5.10") < EtcdVersion.parse("3.10.0")


def test_series_is_what_a_snapshot_may_cross_patches_in() -> None:
    assert EtcdVersion(3, 5, 1).minor_series == EtcdVersion(3, 5, 30).minor_series
    assert EtcdVersion(3, 5, 1).minor_series != EtcdVersion(3, 6, 1).minor_series


def test_knows_the_versions_that_lose_writes() -> None:
    losing = [f"3.{minor}.{patch}" for minor in (4, 5, 6) for patch in range(5)]
    assert [text for text in losing if EtcdVersion.parse(text).is_inconsistent] == [
        "3.5.0",
        "3.5.1",
        "3.5.2",
    ]
