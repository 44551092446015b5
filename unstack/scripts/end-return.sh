# shellcheck shell=sh
# end-return KEPT RUN: the rollback is done; what it was made from is kept under its run.
umask 077
if [ -d "$1/stacked" ]; then
    mv -T "$1/stacked" "$1/rolled-back-$2" || die "that $1/stacked can't be moved" "a rename" "look at its disk"
fi
# The external etcd is in use no more: since when it was says nothing of a later migration.
rm -f "$1/returning" "$1/confirmed"
