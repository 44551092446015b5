"""The lab's own settings; a group named like the inventory file goes before all others."""

import json
from pathlib import Path

cluster = "lab"

# The newest etcd 3.5 that the lab could be given.
etcd_image = json.loads(Path(".lab/lab.json").read_text())["etcd_image"]

# The lab has no CoreDNS.
kubeadm_ignored_preflight_errors = ["CoreDNSUnsupportedPlugins", "CoreDNSMigration"]
