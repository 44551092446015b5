# shellcheck shell=sh
# api-write URL CA CERTIFICATE KEY NAME: write, read back and delete a ConfigMap through this
# master's own API server, which thereby proves that it can write to its etcd and read from it. Its
# lists before and after, and the object, are told: each carries the revision that the API server knows.
url=$1/api/v1/namespaces/kube-system/configmaps
name=$5
ca=$2
certificate=$3
key=$4
# The list that etcd answers, of this one object at most.
list="$url?fieldSelector=metadata.name%3D$name"

request() {
    curl --silent --show-error --fail --max-time 10 --noproxy '*' --header 'Content-Type: application/json' \
        --cacert "$ca" --cert "$certificate" --key "$key" "$@" 2>&1
}
# What an earlier, killed confirmation may have left.
request --request DELETE "$url/$name" >/dev/null
answer=$(request "$list") || die "an API server that does not list, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
report listed "$answer"
answer=$(request --request POST --data "{\"metadata\": {\"name\": \"$name\"}, \"data\": {\"written\": \"$name\"}}" "$url") ||
    die "an API server that does not write, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
answer=$(request "$url/$name") || die "an API server that does not read what it wrote, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
case "$answer" in
*"$name"*) ;;
*) die "an API server that reads something else than it wrote, $1" "the same" "look at its log on this master, and at its etcd" ;;
esac
report written "$answer"
# A list at a revision is answered from the watch cache, once that has come as far: 3 s are waited for it.
revision=$(echo "$answer" | sed -n 's/.*"resourceVersion": *"\([0-9]*\)".*/\1/p' | head -n 1)
tries=0
until answer=$(request "$list&resourceVersion=$revision"); do
    tries=$((tries + 1))
    [ "$tries" -lt 5 ] ||
        die "an API server whose watch cache does not come to revision $revision, $1: $answer" "one that sees what it wrote" \
            "look at its log on this master, and at its etcd"
done
report cached "$answer"
answer=$(request --request DELETE "$url/$name") || die "an API server that does not delete, $1: $answer" "one that does" "look at its log on this master, and at its etcd"
