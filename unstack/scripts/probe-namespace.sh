# shellcheck shell=sh
# probe-namespace URL CA CERTIFICATE KEY NAME WHAT TIMEOUT: remove the pod probe's namespace with all that
# is in it; with the WHAT "make" make it anew, until pods are let into it.
namespaces=$1/api/v1/namespaces
name=$5
ca=$2
certificate=$3
key=$4
deadline=$(($(uptime_centiseconds) + ${7%.*} * 100))

ask() {
    ask_api "$ca" "$certificate" "$key" "$@"
}
# await STATUS PATH WHAT: until a GET is answered with this HTTP status.
await() {
    until answer=$(ask "$namespaces/$2") && [ "${answer##* }" = "$1" ]; do
        [ "$(uptime_centiseconds)" -lt "$deadline" ] || die "$3" "one after the other within seconds" \
            "look at kube-controller-manager's log, or set pod_probe = False"
        sleep 0.2
    done
}
answer=$(ask "$namespaces/$name?pretty=false")
case "${answer##* }" in
404) ;;
200)
    # Only what a probe has made, this one or one that was killed, may be removed.
    case "$answer" in
    *'"app.kubernetes.io/managed-by":"unstack"'*) ;;
    *) die "a namespace $name that is not this tool's" "none of that name" "remove or rename it, or set pod_probe = False" ;;
    esac
    # At once: a pod whose kubelet is silent would hold the namespace for ever.
    ask --request DELETE --data '{"gracePeriodSeconds": 0}' "$namespaces/$name/pods" >/dev/null
    ask --request DELETE "$namespaces/$name" >/dev/null
    await 404 "$name" "the namespace $name still there"
    ;;
*) die "no answer to GET namespace $name: $answer" "one" "look at the API server on this master" ;;
esac
[ "$6" = make ] || exit 0
# Pods of this namespace are no danger to their nodes, and a cluster's default may refuse them.
answer=$(ask --request POST "$namespaces?pretty=false" --data "{\"metadata\": {\"name\": \"$name\", \"labels\": {
    \"app.kubernetes.io/managed-by\": \"unstack\", \"pod-security.kubernetes.io/enforce\": \"privileged\"}}}")
[ "${answer##* }" = 201 ] ||
    die "that the namespace $name can't be made: $answer" "one for the pod probe" "mend what it says, or set pod_probe = False"
# The controller-manager makes it; pods are refused until then.
await 200 "$name/serviceaccounts/default" "no default service account in the namespace $name"
