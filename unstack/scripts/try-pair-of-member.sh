# shellcheck shell=sh
# try-pair-of-member NAME CA CERTIFICATE KEY: that this pair, and this CA alone, are good for every member
# of the cluster, before they go into place.
pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its container's log"
use_member "$pid"
answer=$(etcdctl_of_member --cacert "$(coming "$2")" --cert "$(coming "$3")" --key "$(coming "$4")" \
    endpoint health --cluster 2>&1) ||
    die "a member that is not served by, or does not take, the certificates that are brought: $(echo "$answer" | tail -n 3)" \
        "every member healthy by them" "look at the members' logs, then run again. Nothing was put in place here"
