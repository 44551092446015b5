# shellcheck shell=sh
# wake-kubelet CA CERTIFICATE KEY PATH TIMEOUT URL...: until kubelet has started anew the API server that
# ended here, have it look at its static pod every 3 s. kubelet holds a container back that ends a second
# time within ten minutes, for 10 s and then for longer, and would look at its pod again only with its
# resync, after 60 to 90 s. A change of the mirror pod, at PATH, counts as one of the static pod: kubelet
# looks at once. It is made through the first of the other masters' API servers, at URL..., that takes it;
# where none does it only takes longer.
ca=$1
certificate=$2
key=$3
path=$4
timeout=$5
deadline=$(($(uptime_centiseconds) + ${timeout%.*} * 100))
next=$(($(uptime_centiseconds) + 300))
shift 5

while [ -z "$(processes kube-apiserver)" ]; do
    now=$(uptime_centiseconds)
    [ "$now" -lt "$deadline" ] ||
        die "no kube-apiserver $timeout s after the last one ended" "one that kubelet starts" "look at kubelet's log on this master"
    if [ "$now" -ge "$next" ]; then
        next=$((now + 300))
        for url; do
            curl --silent --fail --max-time 2 --noproxy '*' --request PATCH \
                --header 'Content-Type: application/merge-patch+json' \
                --data "{\"metadata\": {\"annotations\": {\"unstack/restarted\": \"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}}}" \
                --cacert "$ca" --cert "$certificate" --key "$key" "$url$path" >/dev/null 2>&1 && break
        done
    fi
    sleep 0.2
done
