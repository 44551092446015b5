# shellcheck shell=sh
# await-apiserver SERVERS URL CA CERTIFICATE KEY TIMEOUT: until this host's API server, started with
# exactly these --etcd-servers, is ready. The process first: /readyz alone was seen answered by the
# old API server 0.1 s after the swap. Looking must be cheap: the API server needs the processor.
servers=$1
url=$2
deadline=$(($(uptime_centiseconds) + ${6%.*} * 100))
running=

until [ -n "$running" ] && curl --silent --fail --max-time 2 --noproxy '*' \
    --cacert "$3" --cert "$4" --key "$5" "$url/readyz" >/dev/null 2>&1; do
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "kube-apiserver ${running:+running and }not ready within $6 s" "one that is" \
            "look at kubelet and at the log of kube-apiserver on this master"
    sleep 0.2
    # A pid that is gone is looked for anew: the API server may have been started again.
    if [ -z "$running" ] || [ ! -d "/proc/$running" ]; then
        running=
        for pid in $(processes kube-apiserver); do
            if [ "$(argument "$pid" etcd-servers)" = "$servers" ]; then running=$pid; fi
        done
    fi
done
