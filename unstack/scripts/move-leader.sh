# shellcheck shell=sh
# move-leader NAME ID: at a line on the standard input the lead of the cluster goes from this member to the
# one of that id, in hexadecimal: an election without a leader would be a second without writes. Nothing
# moves at the input's end.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
report ready yes
read -r _ || exit 0
answer=$(etcdctl_of_member move-leader "$2" 2>&1) || die "a lead that does not move to $2: $answer" "a move" "look at the members, then run again"
report moved yes
