# shellcheck shell=sh
# restore DATA RUN SHA256 REVISION TOKEN IMAGE NAME PEER_URL INITIAL_CLUSTER [BUMP]
# Into a fresh directory beside, then a rename: a restore that dies half-way leaves nothing that
# etcd could start from, and what was there before is kept. With BUMP, for a backup, the data stays beside
# the member's own until place-data: all of this is done before anything is stopped.
data=$1
run=$2
sha256=$3
revision=$4
token=$5
image=$6
name=$7
peer_url=$8
initial_cluster=$9
bump=${10:-}
snapshot=$data/snapshot-$run.db
fresh=restoring-$run

umask 077
[ "$(sha256sum <"$snapshot" | cut -d ' ' -f 1)" = "$sha256" ] ||
    die "another snapshot than was taken: its sha256 differs" "$sha256" "look at this host's disk, then run again"
rm -rf "${data:?}/$fresh"
mkdir "$data/$fresh"

# With a bump every revision that a client can have seen is gone: its watch is told to list anew.
etcdutl_of_image "$data" "$image" snapshot restore "$snapshot" ${bump:+--bump-revision "$bump" --mark-compacted} \
    --data-dir "$data/$fresh" --name "$name" --initial-cluster "$initial_cluster" \
    --initial-cluster-token "$token" --initial-advertise-peer-urls "$peer_url" \
    >/dev/null 2>"$data/$fresh.log" ||
    die "a failed etcdutl snapshot restore: $(tail -n 3 "$data/$fresh.log")" "data in $data" "look at the disk, then run again"
rm -f "$data/$fresh.log"
chmod 0700 "$data/$fresh"
database=$(sha256sum <"$data/$fresh/member/snap/db" | cut -d ' ' -f 1)
printf '{"run": "%s", "sha256": "%s", "revision": %s, "token": "%s", "database_sha256": "%s", "bump": %s}\n' \
    "$run" "$sha256" "$revision" "$token" "$database" "${bump:-0}" >"$data/$fresh.json"
if [ -n "$bump" ]; then
    # What an earlier restore made and nobody used.
    find "$data" -maxdepth 1 -name 'restoring-*' ! -name "$fresh*" -exec rm -rf {} +
else
    place_data "$data" "$run"
fi
rm -f "$data/etcdutl"
# One copy is kept: the run's own.
find "$data" -maxdepth 1 -name 'snapshot-*.db' ! -path "$snapshot" -delete
