# shellcheck shell=sh
# try-disk DIRECTORY: how long small writes to its disk take until they are on it, in seconds, as etcd's
# log is written: over space that is allocated already. The file has no name from the start, so that
# nothing is left however this ends.
existing=$1
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
export LC_ALL=C
{ file=$(mktemp "$existing/.unstack-XXXXXX") && exec 3<>"$file" && rm "$file"; } ||
    die "that $existing can't be written to" "the disk for the member's data" "look at its disk"
write() {
    dd if=/dev/zero of=/proc/self/fd/3 bs=4096 conv=notrunc "$@" 2>&1
}
write count=32 >/dev/null
number=0
while [ "$number" -lt 32 ]; do
    answer=$(write count=1 seek="$number" oflag=dsync) || die "that dd says: $answer" "dd with oflag=dsync" "install coreutils"
    report seconds "$(echo "$answer" | sed -n 's/.*copied, \([0-9.e-]*\) s.*/\1/p')"
    number=$((number + 1))
done
