# shellcheck shell=sh
# remove-remains KEPT RUN DATA NAME FILE...: remove the stacked etcd's data, certificates and keys, and
# nothing else. DATA itself stays: it may be a mount point. The note comes first: a rollback can't begin
# from here.
kept=$1
run=$2
data=$3
[ -z "$(etcd_of "$3" "$4")" ] || die "an etcd on $3" "none: its data is to be removed" "see who started it"
shift 4

umask 077
mkdir -p "$kept"
[ -f "$kept/decommissioning" ] || record "$kept" decommissioning "$run"
# By rename first: what has its own name is whole, and what was begun to be removed has not.
if [ -d "$data/member" ]; then
    rm -rf "${data:?}/.unstack-removing"
    mv -T "$data/member" "$data/.unstack-removing" ||
        die "that $data/member can't be moved" "a rename" "look at its disk, then run again"
fi
rm -rf "${data:?}/.unstack-removing" "${data:?}"/.unstack-previous-* "${data:?}/.unstack-restoring" ||
    die "that $data can't be emptied" "a removal" "look at its disk, then run again"
for file; do
    rm -f "$file" || die "that $file can't be removed" "a removal" "look at its disk, then run again"
done
