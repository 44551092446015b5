"""The new kube-apiserver manifest is the live one with other etcd settings, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from tests.unit.cluster import APISERVER, ETCD, TEMPLATES
from unstack.manifest import (
    ManifestError,
    differs_only_in_etcd,
    pki_directory,
    read_apiserver,
    read_etcd,
    same_urls,
    with_external_etcd,
    with_kept_etcd,
)

URLS = ("https://172.30.0.31:2379", "https://172.30.0.32:2379")
PKI = "/etc/kubernetes/pki/etcd-external"
TEMPLATE = (TEMPLATES / "kube-apiserver-etcd.yaml.j2").read_text()


def _changed(text: str) -> str:
    return with_external_etcd(
        text,
        client_urls=URLS,
        cafile=f"{PKI}/ca.crt",
        certfile=f"{PKI}/client.crt",
        keyfile=f"{PKI}/client.key",
        template=TEMPLATE,
    )


def _command(text: str) -> list[str]:
    container = yaml.safe_load(text)["spec"]["containers"][0]
    return [*container.get("command", ()), *container.get("args", ())]


SECURE = "    - --secure-port=6443\n"
CUSTOM = (
    APISERVER.replace(
        "  annotations:\n", '  annotations:\n    example.com/owner: "the platform team"  # do not remove\n'
    )
    .replace(
        "    - --etcd-servers=https://127.0.0.1:2379\n",
        "    - --etcd-servers=https://127.0.0.1:2379\n"
        "    - --audit-log-path=/var/log/audit.log\n"
        "    # the company login\n"
        '    - "--oidc-issuer-url=https://issuer.example"\n',
    )
    .replace("  volumes:\n", "  volumes:\n  - hostPath:\n      path: /srv/extra\n    name: extra\n")
)


@pytest.mark.parametrize(
    "old",
    [
        APISERVER,
        CUSTOM,
        CUSTOM.replace("\n", "\r\n"),
        APISERVER.rstrip("\n"),
        APISERVER.replace(
            "- --etcd-servers=https://127.0.0.1:2379", "- '--etcd-servers=https://127.0.0.1:2379'  # own"
        ),
        APISERVER.replace(
            "    - --etcd-cafile", "    - --etcd-servers=https://10.0.0.9:2379\n    - --etcd-cafile"
        ),
        APISERVER.replace("  creationTimestamp: null", "  # --etcd-servers=x is below", 1),
        APISERVER.replace(
            "  - command:\n    - kube-apiserver\n", "  - command: [kube-apiserver]\n    args:\n"
        ),
    ],
    ids=["kubeadm", "custom", "crlf", "no-newline-at-end", "quoted", "doubled", "comment", "args"],
)
def test_changes_the_etcd_settings_and_no_other_line(old: str) -> None:
    new = _changed(old)
    etcd = ("--etcd-cafile", "--etcd-certfile", "--etcd-keyfile", "--etcd-servers")
    assert [line for line in new.splitlines() if not any(flag in line for flag in etcd)] == [
        line for line in old.splitlines() if not any(flag in line for flag in etcd)
    ]
    assert [argument for argument in _command(new) if argument.startswith("--etcd-")] == [
        f"--etcd-cafile={PKI}/ca.crt",
        f"--etcd-certfile={PKI}/client.crt",
        f"--etcd-keyfile={PKI}/client.key",
        f"--etcd-servers={','.join(URLS)}",
    ]
    assert ("\r\n" in new) == ("\r\n" in old)
    assert differs_only_in_etcd(old, new)


def test_a_second_change_is_none() -> None:
    assert _changed(_changed(CUSTOM)) == _changed(CUSTOM)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is missing or holds no Pod"),
        ("{", "no readable YAML"),
        ("kind: Pod\nspec: {containers: []}\n", "does not have one container"),
        (ETCD, "does not run kube-apiserver"),
        (APISERVER.replace("--etcd-servers=", "--other="), "has no --etcd-servers="),
        (
            "kind: Pod\nspec: {containers: [{command: [kube-apiserver, --etcd-servers=a]}]}\n",
            "one flag a line",
        ),
        ("kind: Pod\nspec: {containers: [null]}\n", "no mapping"),
        (APISERVER.replace("- kube-apiserver\n", "- kube-apiserver\n   x"), "line "),
        (APISERVER.replace("  volumes:\n", "  volumes: 1\n  old:\n"), "volumes that are no list"),
        # Each of these would outlive the change and send the API server back to the old etcd.
        (APISERVER.replace(SECURE, f"    - --etcd_servers=https://old:2379\n{SECURE}"), "etcd_servers"),
        (APISERVER.replace(SECURE, f"    - --etcd-cafile\n    - /old.crt\n{SECURE}"), "has --etcd-cafile"),
    ],
)
def test_refuses_what_it_cannot_change(text: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        _changed(text)


def test_reads_what_kubeadm_writes() -> None:
    manifest = read_apiserver(APISERVER)
    assert manifest.etcd_servers == ("https://127.0.0.1:2379",)
    assert manifest.advertise_address == "172.30.0.12"
    assert manifest.secure_port == 6443
    assert pki_directory(manifest) == PKI
    # The stacked member's name is its node's, whatever the inventory calls the host.
    assert read_etcd(ETCD).name == "cp-b"


def test_client_pair_stays_where_it_is_on_a_migrated_master() -> None:
    assert pki_directory(read_apiserver(_changed(APISERVER))) == PKI


def test_keeps_a_note_behind_a_flag() -> None:
    old = APISERVER.replace("=https://127.0.0.1:2379\n", "=https://127.0.0.1:2379  # ticket 42\n", 1)
    assert f"    - --etcd-servers={','.join(URLS)}  # ticket 42\n" in _changed(old)


def test_reads_every_etcd_servers_flag_since_the_api_server_adds_them_up() -> None:
    flag = "    - --etcd-servers=https://127.0.0.1:2379\n"
    twice = APISERVER.replace(flag, f"{flag}    - --etcd-servers=https://10.9.9.9:2379\n")
    assert read_apiserver(twice).etcd_servers == ("https://127.0.0.1:2379", "https://10.9.9.9:2379")


def test_refuses_a_pki_directory_under_another_mount() -> None:
    manifest = replace(
        read_apiserver(APISERVER),
        etcd_certfile="/etc/kubernetes/pki/etcd/client.crt",
        host_path_mounts=(
            ("/etc/kubernetes/pki", "/etc/kubernetes/pki"),
            ("/srv/etcd", "/etc/kubernetes/pki/etcd"),
        ),
    )
    with pytest.raises(ManifestError, match="mounts no host directory"):
        pki_directory(manifest)


def test_refuses_an_unmounted_directory_even_by_our_own_name() -> None:
    manifest = replace(read_apiserver(APISERVER), etcd_certfile="/opt/etcd-external/client.crt")
    with pytest.raises(ManifestError, match="mounts no host directory"):
        pki_directory(manifest)


def test_refuses_a_pki_directory_that_the_container_does_not_see() -> None:
    hidden = APISERVER.replace("/etc/kubernetes/pki/apiserver-etcd", "/opt/pki/apiserver-etcd")
    with pytest.raises(ManifestError, match="mounts no host directory that holds /opt/pki"):
        pki_directory(read_apiserver(hidden))


def test_urls_are_the_same_in_any_order() -> None:
    assert same_urls(("https://a:1", "https://b:1/"), ("https://b:1", "https://a:1"))
    assert not same_urls(("https://a:1",), ("https://a:1", "https://b:1"))


EDITED = "    - --etcd-compaction-interval=1m  # since the migration\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("kept", [APISERVER, CUSTOM, APISERVER.rstrip("\n")])
def test_the_way_there_and_back_ends_with_the_kept_manifest(kept: str, ending: str) -> None:
    kept = kept.replace("\n", ending)
    assert with_kept_etcd(_changed(kept), kept) == kept
    assert with_kept_etcd(kept, kept) == kept


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_kept_etcd_settings_come_back_and_what_was_edited_since_stays(ending: str) -> None:
    def edited(text: str) -> str:
        return text.replace(SECURE, f"{EDITED}{SECURE}").replace("v1.20.2", "v1.20.15").replace("\n", ending)

    assert with_kept_etcd(edited(_changed(CUSTOM)), CUSTOM) == edited(CUSTOM)
    assert with_kept_etcd(edited(CUSTOM), CUSTOM) == edited(CUSTOM)


def test_a_kept_flag_comes_back_in_its_own_form() -> None:
    servers = (
        "- '--etcd-servers=https://127.0.0.1:2379'  # ticket 42\n    - --etcd-servers=https://10.0.0.9:2379"
    )
    kept = APISERVER.replace("- --etcd-servers=https://127.0.0.1:2379", servers)
    current = _changed(kept).replace(SECURE, f"{EDITED}{SECURE}")
    assert with_kept_etcd(current, kept) == kept.replace(SECURE, f"{EDITED}{SECURE}")


def test_the_kept_flags_go_to_where_the_edited_manifest_has_its_own() -> None:
    current = _changed(APISERVER).replace("    - kube-apiserver\n", "    - kube-apiserver\n    args:\n", 1)
    new = with_kept_etcd(current, CUSTOM)
    assert yaml.safe_load(new)["spec"]["containers"][0]["command"] == ["kube-apiserver"]
    assert [a for a in _command(new) if a.startswith("--etcd-")] == [
        a for a in _command(CUSTOM) if a.startswith("--etcd-")
    ]
    assert differs_only_in_etcd(current, new)


ONE_LINE = "kind: Pod\nspec: {containers: [{command: [kube-apiserver, --etcd-servers=a]}]}\n"


@pytest.mark.parametrize(
    ("current", "kept", "reason"),
    [
        ("", APISERVER, "is missing or holds no Pod"),
        (_changed(APISERVER), "", "the kept manifest can't be put back: .* is missing"),
        (_changed(APISERVER), ETCD, "the kept manifest can't be put back: .* does not run kube-apiserver"),
        (ONE_LINE, APISERVER, "^kube-apiserver.yaml does not have one flag a line"),
        (_changed(APISERVER), ONE_LINE, "the kept kube-apiserver.yaml does not have one flag a line"),
        # A value that goes on in the next line, in either of them, would be cut in half.
        (
            _changed(CUSTOM),
            APISERVER.replace("2379\n", "2379,\n        https://127.0.0.2:2379\n", 1),
            "can't be given --etcd-cafile=",
        ),
        (
            _changed(CUSTOM).replace("client.key\n", "client.key\n        x\n", 1),
            APISERVER,
            "can't be given --etcd-cafile=",
        ),
        (
            _changed(CUSTOM).replace(
                "annotations:\n", "annotations:\n    note: |\n      - --etcd-servers=https://x\n"
            ),
            APISERVER,
            "in its etcd settings alone",
        ),
        (
            _changed(APISERVER).replace(SECURE, f"    - --etcd-cafile\n    - /old.crt\n{SECURE}"),
            APISERVER,
            "has --etcd-cafile",
        ),
    ],
)
def test_refuses_a_manifest_that_cannot_go_back(current: str, kept: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason) as caught:
        with_kept_etcd(current, kept)
    assert "\n" not in str(caught.value)
