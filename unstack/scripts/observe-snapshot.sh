# shellcheck shell=sh
# observe-snapshot STATE: the note beside the newest snapshot of this host, nothing else.
report_file snapshot "$1/snapshot.json"
