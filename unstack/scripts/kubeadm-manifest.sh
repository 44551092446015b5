# shellcheck shell=sh
# kubeadm-manifest MANIFESTS TIMEOUT: the kube-apiserver manifest that this host's kubeadm makes of the
# configuration on standard input; no more than "read" where there is no kubeadm. It would write over
# the live manifest, so it is locked into a scratch directory: --rootfs, which every release has since
# 1.13. The configuration's path exists in there only: a kubeadm that stayed outside could not begin.
PATH=$PATH:/usr/local/bin:/opt/bin
report read yes
command -v kubeadm >/dev/null || exit 0
umask 077
scratch=$(mktemp -d) || die "that no scratch directory can be made" "one in /tmp" "look at that filesystem"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$scratch/kubeadm.yaml"
before=$(cat "$1"/* | sha256sum)
timeout -k 5 "$2" kubeadm init phase control-plane apiserver --rootfs "$scratch" --config /kubeadm.yaml >"$scratch/output" 2>&1 ||
    die "that kubeadm makes no kube-apiserver manifest of kubeadm-config within $2 s (status $?): $(
        grep -v -e '^W' -e '^To see the stack' "$scratch/output" | tail -n 2
    )" "one" \
        "mend what it says (\`kubectl -n kube-system edit configmap kubeadm-config\`), then run again"
[ "$(cat "$1"/* | sha256sum)" = "$before" ] ||
    die "a manifest in $1 that changed while kubeadm was asked" "no edit meanwhile" "look at it, then run again"
report kubeadm "$(kubeadm version --output short)"
report_file manifest "$scratch/etc/kubernetes/manifests/kube-apiserver.yaml"
