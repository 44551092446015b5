# shellcheck shell=sh
# cutover MANIFESTS KEPT RUN SOURCE_SHA256: start the API server on the external cluster.
manifests=$1
kept=$2

umask 077
mkdir -p "$kept/stacked"
if [ ! -f "$manifests/kube-apiserver.yaml" ]; then
    # $3, the run, is for whoever reads the process list.
    [ "$(sha256sum <"$kept/fenced/kube-apiserver.yaml" | cut -d ' ' -f 1)" = "$4" ] ||
        die "kube-apiserver.yaml was changed after its successor was made from it; run the migration again"
    # The old manifest is kept for the way back; the new one arrives by rename, whole.
    cp -p "$kept/fenced/kube-apiserver.yaml" "$kept/stacked/kube-apiserver.yaml"
    cp -p "$kept/prepared/kube-apiserver.yaml" "$kept/fenced/.kube-apiserver.yaml"
    sync "$kept/fenced/.kube-apiserver.yaml" "$kept/stacked/kube-apiserver.yaml"
    mv "$kept/fenced/.kube-apiserver.yaml" "$manifests/kube-apiserver.yaml"
    rm -f "$kept/fenced/kube-apiserver.yaml"
fi
