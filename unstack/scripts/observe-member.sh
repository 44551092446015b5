# shellcheck shell=sh
# observe-member NAME REVISION SCOPE: an etcd member as it describes itself, and with a REVISION other
# than 0 its content at that revision. Every answer is this member's own. SCOPE "cluster" asks it too
# for what raft makes equal on all members; "member" leaves that to another one. "serving" is "cluster"
# while clients write.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
member_within=8
answers=$(mktemp -d) || die "no temporary directory" "one" "look at the disk"
trap 'rm -rf "$answers"' EXIT

member=$1
asked=

# ask KEY ARGUMENT...: put a question, all of them at once: each is a process that mostly waits. None holds
# this script's output: one that is given up must not keep its reader waiting.
ask() {
    key=$1
    shift
    (etcdctl_of_member -w "$format" "$@" >"$answers/$key" 2>"$answers/$key.error" ||
        echo "etcdctl $*" >>"$answers/failed") >/dev/null 2>&1 &
    asked="$asked $!"
}

# answered PID...: wait for these questions. An unanswered one must never pass for "none".
answered() {
    wait "$@"
    [ ! -e "$answers/failed" ] ||
        die "no answer of member $member to: $(cat "$answers/failed" "$answers"/*.error)" "an answer" "look at its log"
}
format=json
if [ "$3" != member ]; then
    ask members member list
    ask alarms alarm list
fi
if [ "$2" = 0 ]; then
    # A linearizable read: it passes only with a quorum, and makes this member catch up.
    if etcdctl_of_member endpoint health >/dev/null 2>&1; then report healthy yes; fi
else
    if [ "$3" != member ]; then
        ask leases lease list
        ask users user list
        ask roles role list
    fi
    # etcdctl writes a count in this format only. The count is a linearizable read itself.
    format=fields
    ask keys get "" --prefix --count-only --rev="$2"
    format=json
    others=$asked
    # While a member makes its hash and a write waits for that, it answers nothing else.
    # shellcheck disable=SC2086  # the process ids are words
    [ "$3" != serving ] || answered $others
    # It reads the whole database, from the disk where memory is short: 8 GB, as much as etcd suggests at
    # most, take a disk of 150 MB/s 55 s. A member that leaves the others unanswered is not waited for so long.
    member_within=65
    ask hashkv --command-timeout=60s endpoint hashkv --rev="$2"
    # shellcheck disable=SC2034  # for etcdctl_of_member
    member_within=8
    # shellcheck disable=SC2086  # as above
    [ "$3" = serving ] || answered $others
fi
wait
# Last: a member that had lagged has caught up through the reads before.
ask status endpoint status
answered
for key in members alarms leases users roles keys hashkv status; do
    report_file "$key" "$answers/$key"
done
