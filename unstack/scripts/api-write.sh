# shellcheck shell=sh
# api-write URL CA CERTIFICATE KEY NAME: write, read back and delete a ConfigMap through this
# master's own API server, which thereby proves that it can write to its etcd and read from it.
url=$1/api/v1/namespaces/kube-system/configmaps
name=$5
ca=$2
certificate=$3
key=$4

request() {
    curl --silent --show-error --fail --max-time 10 --noproxy '*' --header 'Content-Type: application/json' \
        --cacert "$ca" --cert "$certificate" --key "$key" "$@" 2>&1
}
# What an earlier, killed confirmation may have left.
request --request DELETE "$url/$name" >/dev/null
answer=$(request --request POST --data "{\"metadata\": {\"name\": \"$name\"}, \"data\": {\"written\": \"$name\"}}" "$url") ||
    die "an API server that does not write, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
answer=$(request "$url/$name") || die "an API server that does not read what it wrote, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
case "$answer" in
*"$name"*) ;;
*) die "an API server that reads something else than it wrote, $1" "the same" "look at its log on this master, and at its etcd" ;;
esac
answer=$(request --request DELETE "$url/$name") || die "an API server that does not delete, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
