"""The lab of this repository, as `python -m lab up` wrote it down in .lab/lab.json.

Its settings are here and not in a file of group_data/: pyinfra reads all of those with every
inventory, and a clone without a lab has none to read.
"""

import json
from pathlib import Path

from pyinfra.api.exceptions import InventoryError

_file = Path(".lab/lab.json")
if not _file.exists():
    raise InventoryError("there is no lab; run `make lab` first")
_lab = json.loads(_file.read_text())
_settings = {
    "cluster": "lab",
    # The newest etcd 3.5 that the lab could be given.
    "etcd_image": _lab["etcd_image"],
    # Its haproxy asks every 200 ms.
    "load_balancer_seconds": 1,
    # Its requests take milliseconds; what an API server waits for longer are watches.
    "apiserver_grace_seconds": 5,
    # The lab has no CoreDNS.
    "kubeadm_ignored_preflight_errors": ["CoreDNSUnsupportedPlugins", "CoreDNSMigration"],
    # The lab's kubelets remove a pod up to a minute late; what needs the probe asks for it.
    "pod_probe": False,
}
_ssh = {
    "ssh_user": _lab["ssh_user"],
    "ssh_key": _lab["ssh_key"],
    "ssh_known_hosts_file": ".lab/known_hosts",
    "ssh_strict_host_key_checking": "yes",
}


def _hosts(group):
    return [
        (one["name"], {"ssh_hostname": one["ip"], "address": one["ip"], **_ssh, **_settings})
        for one in _lab[group]
    ]


masters = _hosts("masters")
etcd = _hosts("etcd")
