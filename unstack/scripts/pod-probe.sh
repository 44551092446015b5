# shellcheck shell=sh
# pod-probe URL CA CERTIFICATE KEY NAMESPACE SELECTOR TIMEOUT: make the pods on standard input (lines of a name
# and the pod as JSON, all of the SELECTOR) through this master's own API server, await that all run, delete
# them, await that all are gone. Neither takes longer than TIMEOUT. It says when it saw what; times are
# centiseconds since the start of the system.
pods=$1/api/v1/namespaces/$5/pods
selected="$pods?labelSelector=$6&pretty=false"
ca=$2
certificate=$3
key=$4
limit=$((${7%.*} * 100))
scratch=$(mktemp -d) || die "that no scratch directory can be made" "one in /tmp" "look at that filesystem"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
cat >"$scratch/pods"
: >"$scratch/made"
: >"$scratch/list"

ask() {
    ask_api "$ca" "$certificate" "$key" "$@"
}
is_over() {
    [ "$(uptime_centiseconds)" -ge "$deadline" ]
}
make_pods() {
    while read -r name pod; do
        while :; do
            begun=$(uptime_centiseconds)
            answer=$(ask --request POST --data "$pod" "$pods?pretty=false")
            case "${answer##* }" in
            # Conflict: an earlier request was carried out, and its answer was lost.
            201 | 409)
                echo "$name $begun" >>"$scratch/made"
                break
                ;;
            esac
            # Another API server knows of the namespace's service account a moment later.
            if is_over; then
                echo "$name $(echo "$answer" | tr '\n' ' ')" >>"$scratch/refused"
                break
            fi
            sleep 0.2
        done
    done <"$scratch/pods"
}
# look: the pods as kubectl would list them, one line of name, ready and status each; one question for all of
# them, since what is measured shares the processor with its measurement.
look() {
    answer=$(ask --header 'Accept: application/json;as=Table;g=meta.k8s.io;v=v1' "$selected")
    [ "${answer##* }" = 200 ] || return 1
    printf '%s\n' "$answer" | tr '[' '\n' | sed -n 's/^"\([^"]*\)","\([^"]*\)","\([^"]*\)".*/\1 \2 \3/p' >"$scratch/list"
    now=$(uptime_centiseconds)
    if ! cmp -s "$scratch/list" "$scratch/told"; then
        report seen "$now
$(cat "$scratch/list")"
        cp "$scratch/list" "$scratch/told"
    fi
}
# What the list shows is told only where it has changed.
echo nothing >"$scratch/told"
deadline=$(($(uptime_centiseconds) + limit))
make_pods &
until look && [ "$(grep -c ' Running$' "$scratch/list")" -ge "$(wc -l <"$scratch/pods")" ]; do
    if is_over; then break; fi
    sleep 0.2
done
wait
report_file made "$scratch/made"
report_file refused "$scratch/refused"
sed -n 's/ .* Running$//p' "$scratch/told" >"$scratch/ran"

deadline=$(($(uptime_centiseconds) + limit))
report deleted "$(uptime_centiseconds)"
until answer=$(ask --request DELETE "$selected") && [ "${answer##* }" = 200 ]; do
    if is_over; then break; fi
    sleep 0.2
done
# One that never ran need not go by itself.
until look && ! cut -d ' ' -f 1 "$scratch/list" | grep -qFxf "$scratch/ran"; do
    if is_over; then break; fi
    sleep 0.2
done
[ "${answer##* }" = 200 ] || report silent "$answer"
