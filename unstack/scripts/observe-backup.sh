# shellcheck shell=sh
# observe-backup DATA RUN IMAGE: the backup that was brought here, as the image's own etcdutl reads it.
answer=$(etcdutl_of_image "$1" "$3" snapshot status "$1/snapshot-$2.db" -w json 2>&1) ||
    die "a backup that etcdutl can't read: $(echo "$answer" | head -n 3)" "a snapshot of etcd" "restore another backup"
report status "$(echo "$answer" | grep '^{')"
