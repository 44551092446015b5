# shellcheck shell=sh
# observe-writes NAME REVISION: what this member's cluster was given after REVISION, as etcdctl's
# watch tells it from the history; nothing where it stands at that revision.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
etcdctl_of_member endpoint health >/dev/null 2>&1 || die "no answer of member $1 to a linearizable read" "one, by a quorum" "look at the members"
status=$(etcdctl_of_member -w json endpoint status) || die "no status of member $1" "one" "look at its log"
report status "$status"
now=$(echo "$status" | sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
if [ "$now" != "$2" ]; then
    history=$(mktemp) || die "no temporary file" "one" "look at the disk"
    trap 'rm -f "$history"' EXIT
    history_since "$(($2 + 1))" "$now" "$history"
    # Without the values: they hold Secrets, and what is written is not asked, only that it is.
    report events "$(sed 's/"value":"[^"]*"/"value":""/g' "$history")"
fi
