# shellcheck shell=sh
# start-stacked MANIFESTS KEPT NAME TIMEOUT: the stacked member's manifest back, and wait for a quorum.
deadline=$(($(uptime_centiseconds) + ${4%.*} * 100))

umask 077
if [ ! -f "$1/etcd.yaml" ]; then
    replace "$2/stacked/etcd.yaml" "$1/etcd.yaml" "$2"
fi
while :; do
    pid=$(etcd_process "$3")
    if [ -n "$pid" ] && (use_member "$pid" && etcdctl_of_member endpoint health) >/dev/null 2>&1; then
        exit 0
    fi
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "no healthy stacked etcd $4 s after its manifest was put back" "one, with a quorum" \
            "see that kubelet runs, and look at the log of etcd"
    sleep 0.2
done
