"""An example to edit: the masters as the cluster's own API knows them, so that nobody types them.

    kubectl get nodes -o json >inventories/nodes.json
    pyinfra --dry inventories/from_nodes.py deploy.py

A saved file and not the API itself: a run that died with the fence closed is continued while no API
server answers. Save it again when a master was added or replaced. The hosts of the external etcd are
no nodes of the cluster, so their addresses are typed.
"""

from pathlib import Path

from pyinfra.api.exceptions import InventoryError

from unstack.inventory import masters_of

_file = Path("inventories/nodes.json")
if not _file.exists():
    raise InventoryError(f"there is no {_file}: kubectl get nodes -o json >{_file}")
try:
    masters = masters_of(_file.read_text())
except ValueError as error:
    raise InventoryError(f"{_file}: {error}") from None

etcd = [
    ("etcd-1", {"ssh_hostname": "192.0.2.21", "address": "192.0.2.21"}),
    ("etcd-2", {"ssh_hostname": "192.0.2.22", "address": "192.0.2.22"}),
    ("etcd-3", {"ssh_hostname": "192.0.2.23", "address": "192.0.2.23"}),
]
