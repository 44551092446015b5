# shellcheck shell=sh
# stop-member CONTAINER: stop a member whose data is about to be replaced by a newer snapshot's.
docker stop --time 30 "$1" >/dev/null || die "a member that docker can't stop" "a stopped one" "look at the engine on this host"
