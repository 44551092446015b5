# shellcheck shell=sh
# observe-certificates [PATH...]: the certificates (never the keys) at these paths, or, without any,
# those that the running etcd and API server of a control plane host serve and call with. Changes
# nothing.
report user "$(id -u)"
for path; do
    report_file "certificate/$path" "$path"
done
[ $# = 0 ] || exit 0
for pid in $(processes etcd kube-apiserver); do
    for flag in cert-file peer-cert-file tls-cert-file etcd-certfile kubelet-client-certificate; do
        path=$(argument "$pid" "$flag")
        # In the process's own root directory: the host may have it elsewhere.
        if [ -n "$path" ]; then report_file "certificate/$path" "/proc/$pid/root$path"; fi
    done
done
