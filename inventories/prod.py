"""An example to edit: your control plane hosts and the hosts of the external etcd.

A name is the host's name in every message, and for an etcd host also its member name. `address`
is the IP address by which the other hosts reach it. How pyinfra connects is up to you: SSH
agent, ~/.ssh/config with jump hosts, ssh_user, ssh_key and ssh_port all work here.
"""

masters = [
    ("master-1", {"ssh_hostname": "192.0.2.11", "address": "192.0.2.11"}),
    ("master-2", {"ssh_hostname": "192.0.2.12", "address": "192.0.2.12"}),
    ("master-3", {"ssh_hostname": "192.0.2.13", "address": "192.0.2.13"}),
]

etcd = [
    ("etcd-1", {"ssh_hostname": "192.0.2.21", "address": "192.0.2.21"}),
    ("etcd-2", {"ssh_hostname": "192.0.2.22", "address": "192.0.2.22"}),
    ("etcd-3", {"ssh_hostname": "192.0.2.23", "address": "192.0.2.23"}),
]
