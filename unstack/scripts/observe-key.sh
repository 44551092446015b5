# shellcheck shell=sh
# observe-key NAME KEY REVISION: a key at a revision, as an etcd member has it; its refusal is an answer.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
report answer "$(etcdctl_of_member -w json get "$2" --rev="$3" 2>&1)"
