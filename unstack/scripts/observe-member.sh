# shellcheck shell=sh
# observe-member NAME REVISION: an etcd member as it describes itself, and with a REVISION other
# than 0 the proof of its content at that revision. Every answer is this member's own.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1"
use_member "$pid"

# ask KEY ARGUMENT...: one report line with etcdctl's JSON; a failed question fails the script,
# since an unanswered question must never pass for "none".
ask() {
    key=$1
    shift
    # Not in one line with report: the substitution's status would be lost.
    answer=$(etcdctl_of_member -w "$format" "$@") || die "etcdctl $* failed on member $member"
    report "$key" "$answer"
}
member=$1
format=json
ask members member list
ask alarms alarm list
if [ "$2" = 0 ]; then
    # A linearizable read first: it passes only with a quorum, and makes this member catch up.
    if etcdctl_of_member endpoint health >/dev/null 2>&1; then report healthy yes; fi
else
    # etcdctl writes a count in this format only. The count is a linearizable read itself.
    format=fields
    ask keys get "" --prefix --count-only --rev="$2"
    report healthy yes
    format=json
    ask hashkv endpoint hashkv --rev="$2"
    ask leases lease list
    ask users user list
    ask roles role list
fi
ask status endpoint status
