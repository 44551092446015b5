# shellcheck shell=sh
# fence MANIFESTS KEPT TIMEOUT: no API server of this host can write any more when this returns.
# The manifests leave by rename on one filesystem: kubelet sees each whole or not at all.
manifests=$1
kept=$2
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))

umask 077
mkdir -p "$kept/fenced"
for component in kube-apiserver kube-controller-manager kube-scheduler; do
    if [ -f "$manifests/$component.yaml" ]; then
        mv "$manifests/$component.yaml" "$kept/fenced/$component.yaml" ||
            die "that $component.yaml can't be taken away" "a rename" "look at the disk of $manifests"
    fi
done
# The proof is the processes' absence: kubelet may be slow, stopped, or not look at all.
while left=$(processes kube-apiserver kube-controller-manager kube-scheduler) && [ -n "$left" ]; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "process $(echo "$left" | tr '\n' ' ') still running, $3 s after its manifest was taken away" \
            "no API server, controller-manager or scheduler" "see that kubelet runs, then run again"
    sleep 0.1
done
