# shellcheck shell=sh
# restore DATA RUN SHA256 REVISION TOKEN IMAGE NAME PEER_URL INITIAL_CLUSTER
# Into a fresh directory beside, then a rename: a restore that dies half-way leaves nothing that
# etcd could start from, and what was there before is kept.
data=$1
run=$2
sha256=$3
revision=$4
token=$5
image=$6
name=$7
peer_url=$8
initial_cluster=$9
snapshot=$data/snapshot-$run.db
fresh=restoring-$run

umask 077
[ "$(sha256sum <"$snapshot" | cut -d ' ' -f 1)" = "$sha256" ] ||
    die "another snapshot than was taken: its sha256 differs" "$sha256" "look at this host's disk, then run again"
rm -rf "${data:?}/$fresh"
mkdir "$data/$fresh"

# etcdutl of the target's own image: a snapshot is restored by the version that will serve it. The
# copy that prepare made needs no container, whose start takes longer than the restore.
etcdutl() {
    if [ -x "$data/etcdutl" ]; then
        "$data/etcdutl" "$@"
    else
        # Not bounded as other calls of the engine are: a large database takes its time. An engine
        # that hangs is found by the call before.
        docker version >/dev/null || return
        command docker run --rm --network none --user 0:0 --entrypoint etcdutl --volume "$data:$data" "$image" "$@"
    fi
}
etcdutl snapshot restore "$snapshot" \
    --data-dir "$data/$fresh" --name "$name" --initial-cluster "$initial_cluster" \
    --initial-cluster-token "$token" --initial-advertise-peer-urls "$peer_url" \
    >/dev/null 2>"$data/$fresh.log" ||
    die "a failed etcdutl snapshot restore: $(tail -n 3 "$data/$fresh.log")" "data in $data" "look at the disk, then run again"
rm -f "$data/$fresh.log"
chmod 0700 "$data/$fresh"
database=$(sha256sum <"$data/$fresh/member/snap/db" | cut -d ' ' -f 1)
printf '{"run": "%s", "sha256": "%s", "revision": %s, "token": "%s", "database_sha256": "%s"}\n' \
    "$run" "$sha256" "$revision" "$token" "$database" >"$data/$fresh.json"
if [ -d "$data/data" ]; then
    mv -T "$data/data" "$data/previous-$run" ||
        die "that $data/data can't be moved" "a rename" "look at its disk, then run again"
fi
# The note first: data without a note counts as somebody's and is never touched.
{ mv "$data/$fresh.json" "$data/restored.json" && mv -T "$data/$fresh" "$data/data"; } ||
    die "that $data/$fresh can't be put in place" "a rename" "look at its disk, then run again"
rm -f "$data/etcdutl"
# One copy is kept: the run's own.
find "$data" -maxdepth 1 -name 'snapshot-*.db' ! -path "$snapshot" -delete
