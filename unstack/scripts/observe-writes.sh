# shellcheck shell=sh
# observe-writes NAME REVISION: what this member's cluster was given after REVISION, as etcdctl's
# watch tells it from the history; nothing where it stands at that revision.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1"
use_member "$pid"
etcdctl_of_member endpoint health >/dev/null 2>&1 || die "member $1 does not answer a linearizable read"
status=$(etcdctl_of_member -w json endpoint status) || die "etcdctl endpoint status failed on member $1"
report status "$status"
case "$status" in
*"\"revision\":$2,"*) ;;
*)
    # A watch has no end: the history comes at once, and 2 s are enough for it.
    # shellcheck disable=SC2086  # the flags are words
    events=$(ETCDCTL_API=3 timeout 2 chroot "$member_root" "$member_etcdctl" $member_flags -w json \
        watch "" --prefix --rev="$(($2 + 1))" 2>&1)
    report events "$events"
    ;;
esac
