"""How a master's own API server is asked from that master: kubeadm's own client pair, its own address."""

from __future__ import annotations

from dataclasses import dataclass

from unstack.manifest import ApiServerManifest, ManifestError


@dataclass(frozen=True)
class ApiAccess:
    """An API server's URL and the paths, on its host, of what to trust and what to show."""

    url: str
    ca: str
    certificate: str
    key: str


def api_access(manifest: ApiServerManifest) -> ApiAccess:
    """Read it from the API server's own flags.

    The pair by which the API server talks to kubelets (kubeadm: apiserver-kubelet-client, group
    system:masters) is on every master and works while the cluster's own objects can't be read.
    Raises ManifestError where a flag is missing.
    """
    flags = {
        name: _flag(manifest, name)
        for name in ("client-ca-file", "kubelet-client-certificate", "kubelet-client-key")
    }
    address = manifest.advertise_address
    host = f"[{address}]" if ":" in address else address
    return ApiAccess(
        url=f"https://{host}:{manifest.secure_port}",
        ca=flags["client-ca-file"],
        certificate=flags["kubelet-client-certificate"],
        key=flags["kubelet-client-key"],
    )


def _flag(manifest: ApiServerManifest, name: str) -> str:
    prefix = f"--{name}="
    for argument in manifest.command:
        if argument.startswith(prefix):
            return argument[len(prefix) :]
    raise ManifestError(f"kube-apiserver has no --{name}, which kubeadm always writes")
