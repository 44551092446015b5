# shellcheck shell=sh
# remove-key NAME KEY MOD_REVISION: remove a key that nobody has written since it was seen.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
answer=$(printf 'mod("%s") = "%s"\n\ndel "%s"\n\n\n' "$2" "$3" "$2" | etcdctl_of_member txn 2>&1)
case "$answer" in
SUCCESS*) ;;
*) die "that $2 can't be removed: $answer" "a key that nobody writes" "see who writes it, then run again" ;;
esac
