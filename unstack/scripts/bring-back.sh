# shellcheck shell=sh
# bring-back MANIFESTS KEPT: the old API server's manifest in place again, by rename.
manifests=$1
kept=$2

umask 077
if [ ! -f "$manifests/kube-apiserver.yaml" ]; then
    if [ ! -f "$kept/fenced/kube-apiserver.yaml" ]; then
        [ -f "$kept/stacked/kube-apiserver.yaml" ] || die "no old kube-apiserver.yaml in $kept" "the one that was kept" "put it back from a backup"
        cp -p "$kept/stacked/kube-apiserver.yaml" "$kept/fenced/.kube-apiserver.yaml"
        sync "$kept/fenced/.kube-apiserver.yaml"
        mv "$kept/fenced/.kube-apiserver.yaml" "$kept/fenced/kube-apiserver.yaml"
    fi
    mv "$kept/fenced/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml"
fi
