# shellcheck shell=sh
# place-data DATA RUN: the backup's data in place of the member's, which is kept.
umask 077
place_data "$1" "$2"
