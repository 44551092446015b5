# shellcheck shell=sh
# compact-member NAME REVISION: compact the cluster of a rehearsal's member up to REVISION, as the API servers
# have done with the stacked one meanwhile: HashKV is comparable at equal compact revisions only.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
answer=$(etcdctl_of_member compact "$2" 2>&1) || case "$answer" in
*"has been compacted"*) ;; # so far already
*) die "a member that does not compact: $answer" "one that does" "look at its log" ;;
esac
