# shellcheck shell=sh
# read-authority-key KEY: the key of the stacked etcd's CA. For the control node's PKI alone: not to be
# run as a fact or an operation's command, whose output pyinfra prints.
report_file key "$1"
