# shellcheck shell=sh
# restart-apiserver NOTE CA GRACE TIMEOUT: end the API server and let kubelet start it anew. By a signal, which
# is what kubelet sends too: it answers what is under way and is not ready from then on. It waits for
# watches as well, for a minute, and this master's own kube-scheduler ends none: so it is killed after
# GRACE seconds, as kubelet would. The manifest stays where it is, so nobody's edit is lost, and kubelet
# brings the API server back whoever dies here.
started_at=$(uptime_centiseconds)

umask 077
old=$(processes kube-apiserver)
# shellcheck disable=SC2086  # pids
note_trust "$1" "$2" $old
for pid in $old; do kill -TERM "$pid" 2>/dev/null; done
for pid in $old; do
    while started=$(process_start "$pid") && grep -qx "$pid ${started:-gone}" "$1"; do
        waited=$(($(uptime_centiseconds) - started_at))
        [ "$waited" -lt "$((${4%.*} * 100))" ] ||
            die "kube-apiserver running $4 s after it was told to end: process $pid" "none" "look at its log on this master, then run again"
        [ "$waited" -lt "$((${3%.*} * 100))" ] || kill -KILL "$pid" 2>/dev/null
        sleep 0.1
    done
done
