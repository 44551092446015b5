# shellcheck shell=sh
# cutover MANIFESTS KEPT PLACEMENT SOURCE_SHA256: start the API server on the external cluster. With the
# PLACEMENT "external" the manifest that is kept aside names that cluster already: a fenced master.
manifests=$1
kept=$2

umask 077
mkdir -p "$kept/stacked"
if [ ! -f "$manifests/kube-apiserver.yaml" ] && [ "$3" = external ]; then
    mv "$kept/fenced/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml" ||
        die "that kube-apiserver.yaml can't be put in place" "a rename" "look at the disk of $manifests"
elif [ ! -f "$manifests/kube-apiserver.yaml" ]; then
    [ "$(sha256sum <"$kept/fenced/kube-apiserver.yaml" | cut -d ' ' -f 1)" = "$4" ] ||
        die "kube-apiserver.yaml changed after its successor was made from it" "no edit meanwhile" "run again"
    # What an earlier move has recorded says nothing of this one.
    rm -f "$kept/confirmed" "$kept/decommissioning" "$kept/decommissioned"
    # The old manifest is kept for the way back; the new one arrives by rename, whole.
    replace "$kept/fenced/kube-apiserver.yaml" "$kept/stacked/kube-apiserver.yaml" "$kept"
    replace "$kept/prepared/kube-apiserver.yaml" "$manifests/kube-apiserver.yaml" "$kept"
fi
# Also what a run left that died between the two.
rm -f "$kept/fenced/kube-apiserver.yaml"
