# shellcheck shell=sh
# observe-writes NAME REVISION: what this member's cluster was given after REVISION, as etcdctl's
# watch tells it from the history; nothing where it stands at that revision.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
etcdctl_of_member endpoint health >/dev/null 2>&1 || die "no answer of member $1 to a linearizable read" "one, by a quorum" "look at the members"
status=$(etcdctl_of_member -w json endpoint status) || die "no status of member $1" "one" "look at its log"
report status "$status"
case "$status" in
*"\"revision\":$2,"*) ;;
*)
    # The history comes at once; 1 s is enough for it.
    report events "$(etcdctl_within 1 -w json watch "" --prefix --rev="$(($2 + 1))" 2>&1)"
    ;;
esac
