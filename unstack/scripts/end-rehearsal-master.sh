# shellcheck shell=sh
# end-rehearsal-master DIRECTORY: the snapshot, manifest and client pair of a rehearsal are gone when this
# returns. They lie nowhere else, and nothing else lies there.
rm -rf "${1:?}" || die "that $1 can't be removed" "no such directory" "look at its disk; it holds a copy of the cluster's secrets"
# What earlier runs have kept lies beside it; a directory that was made for the rehearsal goes with it.
rmdir "${1%/*}" 2>/dev/null || true
