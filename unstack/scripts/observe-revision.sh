# shellcheck shell=sh
# observe-revision NAME: an etcd member's revision, after a linearizable read through it, which
# passes only with a quorum and makes it catch up.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1"
use_member "$pid"
etcdctl_of_member endpoint health >/dev/null 2>&1 || die "member $1 does not answer a linearizable read"
status=$(etcdctl_of_member -w json endpoint status) || die "etcdctl endpoint status failed on member $1"
report status "$status"
