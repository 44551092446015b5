# shellcheck shell=sh
# read-file PATH: its content, as it is.
cat "$1" || die "can't read $1"
