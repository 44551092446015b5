# shellcheck shell=sh
# read-file PATH: its content, as it is.
cat "$1" || die "no readable $1" "the file" "look at that host"
