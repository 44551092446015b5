# shellcheck shell=sh
# end-restoring KEPT: the restore has ended, one way or the other.
rm -f "${1:?}/restoring"
