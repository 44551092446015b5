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
[ -n "$pid" ] || die "no running etcd with --name=$name" "this host's member" "look at its container's log"
root=/proc/$pid/root
etcdctl=$(etcd_tool "$pid" etcdctl) || die "no etcdctl in the image of etcd" "one, as in every release image" "use etcd's own image"
export ETCDCTL_API=3
rm -f "$file" "$file.part"
# Not inside the container's root, since the file is to lie outside it; etcd's release binaries
# are static and run anywhere.
# shellcheck disable=SC2046  # the flags are words
"$root$etcdctl" $(client_flags "$pid" "$root") snapshot save "$file" >/dev/null 2>"$file.log" ||
    die "a failed etcdctl snapshot save: $(tail -n 3 "$file.log")" "a snapshot in $directory" "look at the disk and at etcd, then run again"
rm -f "$file.log"
trailer=$(tail -c 32 "$file" | od -An -v -tx1 | tr -d ' \n')
content=$(head -c -32 "$file" | sha256sum | cut -d ' ' -f 1)
[ "$trailer" = "$content" ] || die "a snapshot whose own sha256 does not fit" "a whole one" "look at the disk of $directory, then run again"
# etcdctl lost "snapshot status" in 3.6, etcdutl has it since 3.5.
tool=$(etcd_tool "$pid" etcdutl) || tool=$etcdctl
saved=$("$root$tool" snapshot status "$file" -w json 2>/dev/null |
    sed -n 's/.*"revision":\([0-9]*\).*/\1/p')
[ -n "$saved" ] || die "a snapshot without a revision" "one that etcd can read" "look at the disk of $directory, then run again"
[ "$saved" -ge "$revision" ] || die "a snapshot that ends at revision $saved" "$revision or later, which the members hold" "run again"
sha256=$(sha256sum <"$file" | cut -d ' ' -f 1)
printf '{"run": "%s", "path": "%s", "sha256": "%s", "revision": %s, "fenced": %s, "bytes": %s}\n' \
    "$run" "$file" "$sha256" "$saved" "$revision" "$(stat -c %s "$file")" >"$directory/snapshot.json.part"
mv "$directory/snapshot.json.part" "$directory/snapshot.json" ||
    die "that $directory/snapshot.json can't be written" "the snapshot's note" "look at its disk, then run again"
# One snapshot is kept: the run's own.
find "$directory" -maxdepth 1 -name 'snapshot-*.db' ! -path "$file" -delete
