# shellcheck shell=sh
# observe-masterleases NAME PREFIX: the keys by which API servers tell each other that they are there, as
# this member has them; without their values.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
answer=$(etcdctl_of_member -w json get "$2/masterleases/" --prefix --keys-only) || die "no answer of member $1" "one" "look at its log"
report keys "$answer"
