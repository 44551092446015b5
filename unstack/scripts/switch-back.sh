# shellcheck shell=sh
# switch-back MANIFESTS KEPT SOURCE_SHA256 <MANIFEST: the kube-apiserver manifest that names the stacked etcd
# in the place of the one that runs, by rename: kubelet ends the API server by a signal and starts the new
# one. The external cluster's is kept.
manifests=$1
kept=$2

umask 077
mkdir -p "$kept/external" "$kept/prepared"
cat >"$kept/prepared/kube-apiserver.yaml" || die "that $kept/prepared can't be written" "the manifest" "look at its disk, then run again"
if [ -f "$manifests/kube-apiserver.yaml" ]; then
    [ "$(sha256sum <"$manifests/kube-apiserver.yaml" | cut -d ' ' -f 1)" = "$3" ] ||
        die "kube-apiserver.yaml changed after its successor was made from it" "no edit meanwhile" "run again"
    replace "$manifests/kube-apiserver.yaml" "$kept/external/kube-apiserver.yaml" "$kept"
fi
replace "$kept/prepared/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml" "$kept"
