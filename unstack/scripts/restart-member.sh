# shellcheck shell=sh
# restart-member NOTE CA NAME CONTAINER: have a member read its CA file anew, which etcd does at its start
# alone. One call of the engine: who is killed here has not stopped a member for good.
umask 077
# shellcheck disable=SC2046  # one pid, or none
note_trust "$1" "$2" $(etcd_process "$3")
docker restart --time 30 "$4" >/dev/null || die "a member that docker can't restart" "a restarted one" "look at the engine on this host, then run again"
