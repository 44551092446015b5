# shellcheck shell=sh
# restore-stacked KEPT STATE DATA RUN SHA256 NAME PEER_URL INITIAL_CLUSTER: a stacked member's data anew,
# from a snapshot of the external cluster. DATA may be a mount point, so what was there is kept inside.
snapshot=$2/snapshot-$4.db
data=$3
fresh=$data/.unstack-restoring
previous=$data/.unstack-previous-$4

umask 077
[ -z "$(etcd_process "$6")" ] || die "the stacked etcd $6 running" "a stopped one" "see that kubelet runs, then run again"
[ "$(sha256sum <"$snapshot" | cut -d ' ' -f 1)" = "$5" ] ||
    die "another snapshot than was taken: its sha256 differs" "$5" "look at this host's disk, then run again"
mkdir -p "$data"
rm -rf "$fresh"
answer=$(ETCDCTL_API=3 "$1/stacked/etcdutl" snapshot restore "$snapshot" --data-dir "$fresh" --name "$6" \
    --initial-cluster "$8" --initial-cluster-token "unstack-rollback-$4" \
    --initial-advertise-peer-urls "$7" 2>&1) || die "a failed restore: $(echo "$answer" | tail -n 3)" "data in $data" "look at the disk, then run again"
if [ -d "$data/member" ]; then
    { mkdir -p "$previous" && mv -T "$data/member" "$previous/member"; } ||
        die "that $data/member can't be moved to $previous" "a rename" "look at its disk, then run again"
fi
mv -T "$fresh/member" "$data/member" || die "that $fresh can't be moved" "a rename" "look at its disk, then run again"
rm -rf "$fresh"
rm -f "$snapshot"
