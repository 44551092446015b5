# shellcheck shell=sh
# member-tables NAME: etcdctl's own tables of the cluster that this member belongs to.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
report tables "$(etcdctl_of_member member list -w table 2>&1)"
report tables "$(etcdctl_of_member endpoint status --cluster -w table 2>&1)"
report tables "$(etcdctl_of_member endpoint health --cluster -w table 2>&1)"
