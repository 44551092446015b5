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

# How long an API server that is restarted (tasks/renew_ca.py) may take to end by itself, before it is
# killed: as long as kubelet gives its pod. Where the manifest has a longer terminationGracePeriodSeconds,
# for a --shutdown-delay-duration, set it to that.
apiserver_grace_seconds = 30

# Checks of `kubeadm upgrade plan` to ignore in the confirmation, such as "CoreDNSUnsupportedPlugins".
kubeadm_ignored_preflight_errors = []

# tasks/decommission.py: "show" only tells what it would do, "archive" puts the stacked etcd's data and
# certificates into state_directory before they are removed, "remove" removes them without.
decommission = "show"

# How long after the confirmation a decommission is refused: a number with d, h, m or s.
decommission_after = "7d"

# True removes the stacked etcd's CA too; without its key no certificate can be made for the archived data.
decommission_ca = False

# Time a pod on every node through every API server before the fence and after the migration: half
# a minute to two minutes each, outside of the outage. False leaves it out; tasks/probe.py does it alone.
pod_probe = True

# The pods' image; it must run without arguments and end on SIGTERM at once. None: the pause image that
# each node holds already, so that nothing is pulled.
pod_probe_image = None

# How long a pod may take to run, and to be gone; kubelets 1.20.0 to 1.20.2 alone need up to a minute.
pod_probe_timeout_seconds = 90
