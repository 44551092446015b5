# shellcheck shell=sh
# observe-snapshot-status DATA FILE IMAGE: what the image's own etcdutl reads in a snapshot, or in a database
# that no etcd has open. FILE is relative to DATA.
answer=$(etcdutl_of_image "$1" "$3" snapshot status "$1/$2" -w json 2>&1) ||
    die "$1/$2, which etcdutl can't read: $(echo "$answer" | head -n 3)" "a snapshot of etcd" "restore another backup"
report status "$(echo "$answer" | grep '^{')"
