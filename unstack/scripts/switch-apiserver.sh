# shellcheck shell=sh
# switch-apiserver MANIFESTS KEPT SOURCE_SHA256: the prepared kube-apiserver manifest in the place of the
# one that runs, by rename: kubelet ends the API server by a signal and starts the new one. The old
# manifest is kept where a cutover keeps it.
manifests=$1
kept=$2

umask 077
mkdir -p "$kept/stacked"
[ "$(sha256sum <"$manifests/kube-apiserver.yaml" | cut -d ' ' -f 1)" = "$3" ] ||
    die "kube-apiserver.yaml changed after its successor was made from it" "no edit meanwhile" "run again"
# What an earlier move has recorded says nothing of this one.
rm -f "$kept/confirmed" "$kept/decommissioning" "$kept/decommissioned"
replace "$manifests/kube-apiserver.yaml" "$kept/stacked/kube-apiserver.yaml" "$kept"
replace "$kept/prepared/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml" "$kept"
