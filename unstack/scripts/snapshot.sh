# shellcheck shell=sh
# snapshot NAME DIRECTORY RUN REVISION: save the member's state at REVISION or later.
# Checked here and not only at the restore: etcdctl's own "snapshot status" does not notice a
# changed byte. The last 32 bytes of a snapshot are the sha256 of all that stands before.
name=$1
directory=$2
run=$3
revision=$4
file=$directory/snapshot-$run.db

umask 077
mkdir -p "$directory"
chmod 0700 "$directory"
pid=$(etcd_process "$name")
[ -n "$pid" ] || die "no running etcd with --name=$name"
root=/proc/$pid/root
etcdctl=$(etcd_tool "$pid" etcdctl) || die "the image of etcd has no etcdctl"
export ETCDCTL_API=3
rm -f "$file" "$file.part"
# Not inside the container's root, since the file is to lie outside it; etcd's release binaries
# are static and run anywhere.
# shellcheck disable=SC2046  # the flags are words
"$root$etcdctl" $(client_flags "$pid" "$root") snapshot save "$file" >/dev/null 2>"$file.log" ||
    die "etcdctl snapshot save failed: $(tail -n 3 "$file.log")"
rm -f "$file.log"
trailer=$(tail -c 32 "$file" | od -An -v -tx1 | tr -d ' \n')
content=$(head -c -32 "$file" | sha256sum | cut -d ' ' -f 1)
[ "$trailer" = "$content" ] || die "the snapshot's own sha256 does not fit its content"
# etcdctl lost "snapshot status" in 3.6, etcdutl has it since 3.5.
tool=$(etcd_tool "$pid" etcdutl) || tool=$etcdctl
saved=$("$root$tool" snapshot status "$file" -w json 2>/dev/null |
    sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
[ -n "$saved" ] || die "the snapshot's revision can't be read"
[ "$saved" -ge "$revision" ] || die "the snapshot ends at revision $saved, before the fenced one, $revision"
sha256=$(sha256sum <"$file" | cut -d ' ' -f 1)
printf '{"run": "%s", "path": "%s", "sha256": "%s", "revision": %s, "fenced": %s, "bytes": %s}\n' \
    "$run" "$file" "$sha256" "$saved" "$revision" "$(stat -c %s "$file")" >"$directory/snapshot.json.part"
mv "$directory/snapshot.json.part" "$directory/snapshot.json"
# One snapshot is kept: the run's own.
find "$directory" -maxdepth 1 -name 'snapshot-*.db' ! -path "$file" -delete
