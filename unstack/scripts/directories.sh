# shellcheck shell=sh
# directories CONFIG DATA: private from the start. They hold keys and the whole cluster's secrets.
umask 077
mkdir -p "$1" "$2" || die "that $1 and $2 can't be made" "directories" "look at that filesystem"
chmod 0700 "$1" "$2"
