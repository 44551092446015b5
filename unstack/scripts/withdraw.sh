# shellcheck shell=sh
# withdraw MANIFESTS KEPT TIMEOUT: take away the API server of the external cluster, whose manifest is
# in place or kept aside. Its process is gone when this returns.
manifests=$1
kept=$2
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))

umask 077
mkdir -p "$kept/prepared"
for place in "$manifests" "$kept/fenced"; do
    if [ -f "$place/kube-apiserver.yaml" ]; then
        mv "$place/kube-apiserver.yaml" "$kept/prepared/kube-apiserver.yaml"
        break
    fi
done
while left=$(processes kube-apiserver) && [ -n "$left" ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "kube-apiserver running $3 s after its manifest was taken away: process $left" "none" "see that kubelet runs"
    sleep 0.1
done
