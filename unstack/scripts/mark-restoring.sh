# shellcheck shell=sh
# mark-restoring KEPT MARK: what a restore is about to do, or has done, for whoever has to go on with it.
umask 077
{ mkdir -p "$1" && printf '%s\n' "$2" >"$1/.restoring" && sync "$1/.restoring" && mv "$1/.restoring" "$1/restoring"; } ||
    die "that $1/restoring can't be written" "the mark of this restore" "look at its disk, then run again"
