# shellcheck shell=sh
# withdraw MANIFESTS KEPT TIMEOUT: fence the API server of the external cluster: its manifest is kept
# aside, where every task looks for it, and its process is gone when this returns.
manifests=$1
kept=$2
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))

umask 077
mkdir -p "$kept/fenced"
if [ -f "$manifests/kube-apiserver.yaml" ]; then
    mv "$manifests/kube-apiserver.yaml" "$kept/fenced/kube-apiserver.yaml" ||
        die "that kube-apiserver.yaml can't be taken away" "a rename" "look at the disk of $manifests"
fi
while left=$(processes kube-apiserver) && [ -n "$left" ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "kube-apiserver running $3 s after its manifest was taken away: process $left" "none" "see that kubelet runs"
    sleep 0.1
done
