# shellcheck shell=sh
# end-decommission KEPT RUN: note that nothing is left of the stacked etcd on this master.
umask 077
record "$1" decommissioned "$2"
rm -f "$1/decommissioning"
