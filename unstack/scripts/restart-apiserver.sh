# shellcheck shell=sh
# restart-apiserver NOTE CA TIMEOUT: end the API server and let kubelet start it anew. By a signal, which
# is what kubelet sends too: it answers what is under way and is not ready from then on. The manifest
# stays where it is, so nobody's edit is lost, and kubelet brings the API server back whoever dies here.
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))

umask 077
old=$(processes kube-apiserver)
# shellcheck disable=SC2086  # pids
note_trust "$1" "$2" $old
for pid in $old; do kill -TERM "$pid" 2>/dev/null; done
for pid in $old; do
    while started=$(process_start "$pid") && grep -qx "$pid ${started:-gone}" "$1"; do
        [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
            die "kube-apiserver running $3 s after it was told to end: process $pid" "none" "look at its log on this master, then run again"
        sleep 0.1
    done
done
