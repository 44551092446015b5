# shellcheck shell=sh
# await-control-plane SERVERS URL CA CERTIFICATE KEY TIMEOUT: until this host's API server, started
# with exactly these --etcd-servers, is ready, and controller-manager and scheduler run.
# The process first: /readyz alone was seen answered by the old API server 0.1 s after the swap.
servers=$1
url=$2
deadline=$(($(uptime_centiseconds) + ${6%.*} * 100))
state="kube-apiserver does not run"

while :; do
    for pid in $(processes kube-apiserver); do
        if [ "$(argument "$pid" etcd-servers)" = "$servers" ]; then
            state="kube-apiserver runs and is not ready"
            if curl --silent --fail --max-time 2 --noproxy '*' --cacert "$3" --cert "$4" --key "$5" \
                "$url/readyz" >/dev/null 2>&1; then
                state="kube-controller-manager or kube-scheduler does not run"
                if [ "$(processes kube-controller-manager kube-scheduler | wc -l)" -ge 2 ]; then
                    exit 0
                fi
            fi
        fi
    done
    [ "$(uptime_centiseconds)" -lt "$deadline" ] || die "$state, $6 s after its manifest was put in place"
    sleep 0.2
done
