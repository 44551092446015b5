# shellcheck shell=sh
# directories CONFIG DATA: private from the start. They hold keys and the whole cluster's secrets.
umask 077
mkdir -p "$1" "$2" || die "can't make $1 and $2"
chmod 0700 "$1" "$2"
