# shellcheck shell=sh
# retire MANIFESTS KEPT NAME TIMEOUT: stop the stacked member; its data directory stays as it is.
deadline=$(($(uptime_centiseconds) + ${4%.*} * 100))

umask 077
mkdir -p "$2/stacked"
if [ -f "$1/etcd.yaml" ]; then
    mv "$1/etcd.yaml" "$2/stacked/etcd.yaml" ||
        die "that etcd.yaml can't be taken away" "a rename" "look at the disk of $1"
fi
while [ -n "$(etcd_process "$3")" ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "the stacked etcd running $4 s after its manifest was taken away" "a stopped one" "see that kubelet runs"
    sleep 0.2
done
