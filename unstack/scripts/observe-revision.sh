# shellcheck shell=sh
# observe-revision NAME: an etcd member's revision, after a linearizable read through it, which
# passes only with a quorum and makes it catch up.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
etcdctl_of_member endpoint health >/dev/null 2>&1 || die "no answer of member $1 to a linearizable read" "one, by a quorum" "look at the members"
status=$(etcdctl_of_member -w json endpoint status) || die "no status of member $1" "one" "look at its log"
report status "$status"
