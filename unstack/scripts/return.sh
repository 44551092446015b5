# shellcheck shell=sh
# return MANIFESTS KEPT: the prepared kube-apiserver manifest, which names the stacked etcd, in place by
# rename. That of the external cluster is kept.
umask 077
mkdir -p "$2/external"
if [ ! -f "$1/kube-apiserver.yaml" ]; then
    replace "$2/prepared/kube-apiserver.yaml" "$1/kube-apiserver.yaml" "$2"
fi
if [ -f "$2/fenced/kube-apiserver.yaml" ]; then
    mv "$2/fenced/kube-apiserver.yaml" "$2/external/kube-apiserver.yaml"
fi
