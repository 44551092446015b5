"""What kubeadm itself makes of kubeadm-config, compared with what its masters run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unstack.manifest import ApiServerManifest, ManifestError, read_apiserver, same_urls
from unstack.problems import Problem

# `--print-config` of `kubeadm upgrade plan`: this line, then every line of the configuration behind a
# tab (cmd/kubeadm/app/cmd/upgrade/common.go, printConfiguration). The tables that follow are no
# measure: etcd is in them only where its version differs from the one that kubeadm would install.
CONFIGURATION_USED = "Configuration used:"
EDIT = "`kubectl -n kube-system edit configmap kubeadm-config`"


@dataclass(frozen=True)
class EtcdSettings:
    """Where an API server finds its etcd; the order of the servers does not count."""

    servers: tuple[str, ...]
    cafile: str
    certfile: str
    keyfile: str

    @classmethod
    def of_manifest(cls, manifest: ApiServerManifest) -> EtcdSettings:
        """Those of a kube-apiserver manifest."""
        return cls(manifest.etcd_servers, manifest.etcd_cafile, manifest.etcd_certfile, manifest.etcd_keyfile)

    def differences(self, expected: EtcdSettings) -> Iterator[tuple[str, str]]:
        """(found, expected) for each setting that differs, as kube-apiserver's flags."""
        if not same_urls(self.servers, expected.servers):
            yield f"--etcd-servers={','.join(self.servers)}", ",".join(expected.servers)
        for name in ("cafile", "certfile", "keyfile"):
            if getattr(self, name) != getattr(expected, name):
                yield f"--etcd-{name}={getattr(self, name)}", str(getattr(expected, name))


def manifest_problems(host: str, made: str, live: ApiServerManifest) -> Iterator[Problem]:
    """Where the manifest that a host's kubeadm would write has other etcd settings than its live one."""
    try:
        found = EtcdSettings.of_manifest(read_apiserver(made))
    except ManifestError as error:
        yield Problem(
            host,
            f"a kube-apiserver manifest made by kubeadm that can't be read: {error}",
            "one with the etcd settings of the live one",
            f"look at kubeadm-config ({EDIT}), then run again",
        )
        return
    for differing, expected in found.differences(EtcdSettings.of_manifest(live)):
        yield Problem(
            host,
            f"that kubeadm's next upgrade would start the API server with {differing}",
            f"{expected}, as the live manifest has it",
            f"correct etcd.external, or apiServer.extraArgs, in kubeadm-config ({EDIT}), then run again",
        )


def plan_problems(host: str, output: str, live: ApiServerManifest) -> Iterator[Problem]:
    """Where `kubeadm upgrade plan --print-config` has used another etcd than the host's API server."""
    external = _external(configuration_used(output))
    found = EtcdSettings(
        tuple(str(url) for url in external.get("endpoints") or ()),
        *(str(external.get(name, "")) for name in ("caFile", "certFile", "keyFile")),
    )
    for differing, expected in found.differences(EtcdSettings.of_manifest(live)):
        yield Problem(
            host,
            f"that kubeadm upgrade plan uses {differing if external else 'no external etcd'}",
            f"{expected}, as the live manifest has it",
            f"correct etcd.external in kubeadm-config ({EDIT}), then run again",
        )


def configuration_used(output: str) -> Mapping[str, Any]:
    """The ClusterConfiguration that `kubeadm upgrade plan --print-config` says it used; empty where none."""
    lines = output.splitlines()
    start = next((i for i, line in enumerate(lines) if line.endswith(CONFIGURATION_USED)), len(lines)) + 1
    block = []
    for line in lines[start:]:
        if not line.startswith("\t"):
            break
        block.append(line[1:])
    try:
        documents = list(YAML(typ="safe", pure=True).load_all("\n".join(block)))
    except YAMLError:
        return {}
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "ClusterConfiguration":
            return document
    return {}


def _external(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    etcd = configuration.get("etcd")
    external = etcd.get("external") if isinstance(etcd, dict) else None
    return external if isinstance(external, dict) else {}
