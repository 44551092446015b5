"""Settings of the control plane hosts."""

# kubelet's static pod directory (staticPodPath).
manifests_directory = "/etc/kubernetes/manifests"

# Where manifests are kept aside; on the same filesystem as the static pods, so that a rename
# moves them, and never inside that directory, where kubelet would run them.
kept_directory = "/etc/kubernetes/unstack"

# Where the snapshot is written; needs as much space as the database.
state_directory = "/var/lib/unstack"

# How long the old control plane may take to stop, and the new one to become ready.
fence_timeout_seconds = 120
ready_timeout_seconds = 300

# How long the load balancer in front of the API servers takes to see that one is ready again; only
# then the next one is restarted (tasks/renew_ca.py). Its check's interval, times the checks it wants.
load_balancer_seconds = 10

# Checks of `kubeadm upgrade plan` to ignore in the confirmation, such as "CoreDNSUnsupportedPlugins".
kubeadm_ignored_preflight_errors = []
