# shellcheck shell=sh
# kubeadm-plan VERSION SERVER CA CERTIFICATE KEY IGNORED TIMEOUT: what kubeadm plans for an upgrade to the
# version that runs, with the configuration it plans for. Given a version, it asks nobody outside for one.
# With the API server's own client pair: admin.conf may have expired, or have been taken away.
PATH=$PATH:/usr/local/bin:/opt/bin
umask 077
scratch=$(mktemp -d) || die "that no scratch directory can be made" "one in /tmp" "look at that filesystem"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$scratch/kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: own, cluster: {server: "$2", certificate-authority: "$3"}}]
users: [{name: own, user: {client-certificate: "$4", client-key: "$5"}}]
contexts: [{name: own, context: {cluster: own, user: own}}]
current-context: own
END
deadline=$(($(uptime_centiseconds) + $7 * 100))
# Whole seconds, rounded up: to "timeout" a 0 means for ever.
left() {
    echo $(((deadline - $(uptime_centiseconds) + 99) / 100))
}
until NO_PROXY='*' no_proxy='*' timeout -k 5 "$(left)" kubeadm upgrade plan "$1" --print-config \
    --kubeconfig "$scratch/kubeconfig" --ignore-preflight-errors "$6" >"$scratch/output" 2>"$scratch/errors"; do
    # A node is called ready some seconds after it has renewed its lease.
    if grep -q ControlPlaneNodesReady "$scratch/errors" && [ "$(left)" -gt 5 ]; then
        sleep 2
        continue
    fi
    # Not its standard output: the configuration is in there.
    said=$(grep -E 'ERROR|FATAL|[Ee]rror' "$scratch/errors" | grep -v -e '^To see the stack' -e 'fatal errors occurred' | tail -n 4)
    die "that kubeadm upgrade plan $1 fails or lasts longer than $7 s: ${said:-$(tail -n 3 "$scratch/errors")}" "a plan" \
        "mend what it says, or name the check in kubeadm_ignored_preflight_errors, then run again"
done
report output "$(cat "$scratch/output")"
