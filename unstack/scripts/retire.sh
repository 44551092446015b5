# shellcheck shell=sh
# retire MANIFESTS KEPT NAME TIMEOUT: stop the stacked member; its data directory stays as it is. Its
# image's own restore tool is kept with its manifest: a rollback must not depend on the image.
deadline=$(($(uptime_centiseconds) + ${4%.*} * 100))

umask 077
mkdir -p "$2/stacked"
pid=$(etcd_process "$3")
# etcdutl since 3.5; before, and for the restore alone, etcdctl takes the same arguments.
if [ -n "$pid" ] && tool=$(etcd_tool "$pid" etcdutl || etcd_tool "$pid" etcdctl); then
    replace "/proc/$pid/root$tool" "$2/stacked/etcdutl" "$2"
    chmod 0700 "$2/stacked/etcdutl"
fi
if [ -f "$1/etcd.yaml" ]; then
    mv "$1/etcd.yaml" "$2/stacked/etcd.yaml" ||
        die "that etcd.yaml can't be taken away" "a rename" "look at the disk of $1"
fi
while [ -n "$(etcd_process "$3")" ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "the stacked etcd running $4 s after its manifest was taken away" "a stopped one" "see that kubelet runs"
    sleep 0.2
done
