"""An example to edit: hosts behind a jump host, and a sudo that asks for a password.

The jump host stands in ssh_config, in OpenSSH's own words, and so does whatever else SSH needs:

    Host 192.0.2.*
        User ops
        IdentityFile ~/.ssh/id_ed25519
        ProxyJump ops@bastion.example.net

Keys of an SSH agent are used by themselves. The password is asked for once, or taken from
SUDO_PASSWORD where no terminal is; it is never a part of this file.
"""

import getpass
import os

_ssh = {
    "ssh_config_file": "~/.ssh/config",
    # Refuse a host whose key is not in known_hosts.
    "ssh_strict_host_key_checking": "yes",
    "_sudo_password": os.environ.get("SUDO_PASSWORD") or getpass.getpass("sudo password: "),
}

masters = [
    ("master-1", {"ssh_hostname": "192.0.2.11", "address": "192.0.2.11", **_ssh}),
    ("master-2", {"ssh_hostname": "192.0.2.12", "address": "192.0.2.12", **_ssh}),
    ("master-3", {"ssh_hostname": "192.0.2.13", "address": "192.0.2.13", **_ssh}),
]

etcd = [
    ("etcd-1", {"ssh_hostname": "192.0.2.21", "address": "192.0.2.21", **_ssh}),
    ("etcd-2", {"ssh_hostname": "192.0.2.22", "address": "192.0.2.22", **_ssh}),
    ("etcd-3", {"ssh_hostname": "192.0.2.23", "address": "192.0.2.23", **_ssh}),
]
