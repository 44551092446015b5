# shellcheck shell=sh
# record KEPT MARK RUN: note that this master has come so far, with the run and the time, once.
[ ! -f "$1/$2" ] || exit 0
umask 077
mkdir -p "$1"
record "$1" "$2" "$3"
