"""Filling the database: so that a lab has one of a realistic size."""

from __future__ import annotations

import base64
import json
import os

from lab.progress import step
from lab.state import ETCD_PKI, Lab, run

_OBJECT_BYTES = 100_000
_OBJECTS_PER_CALL = 20


def fill(lab: Lab, size_bytes: int) -> None:
    """Create ConfigMaps until the database of the first master has about this size."""
    with step(f"filling the database to about {size_bytes / 1000**2:.0f} MB") as current:
        lab.kubectl("create", "namespace", "lab-data")
        number = 0
        while (size := _database_bytes(lab)) < size_bytes:
            current.detail = f"{size / 1000**2:.0f} MB"
            items = [_config_map(number + offset) for offset in range(_OBJECTS_PER_CALL)]
            number += len(items)
            manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
            command = [str(lab.kubectl_path), *_KUBECTL_CREATE]
            run(command, 120, manifest)
        # The machines share this one's disk: what it has yet to write would slow whatever is measured next.
        os.sync()


def _database_bytes(lab: Lab) -> int:
    status = json.loads(lab.etcdctl("endpoint", "status", "-w", "json"))
    return int(status[0]["Status"]["dbSize"])


_KUBECTL_CREATE = (
    f"--kubeconfig={ETCD_PKI.parent / 'kubeconfig'}",
    "create",
    "--validate=false",
    "-f",
    "-",
)


def _config_map(number: int) -> dict[str, object]:
    # Random, so that nothing on the way can make it smaller.
    content = base64.b64encode(os.urandom(_OBJECT_BYTES * 3 // 4)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"data-{number:06d}", "namespace": "lab-data"},
        "data": {"content": content},
    }
