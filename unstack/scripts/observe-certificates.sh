# shellcheck shell=sh
# observe-certificates: the certificates (never the keys) that the running etcd and API server of a
# control plane host serve and call with. Changes nothing.
report user "$(id -u)"
for pid in $(processes etcd kube-apiserver); do
    for flag in cert-file peer-cert-file tls-cert-file etcd-certfile kubelet-client-certificate; do
        path=$(argument "$pid" "$flag")
        # In the process's own root directory: the host may have it elsewhere.
        if [ -n "$path" ]; then report_file "certificate/$path" "/proc/$pid/root$path"; fi
    done
done
