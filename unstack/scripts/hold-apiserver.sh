# shellcheck shell=sh
# hold-apiserver TIMEOUT: this host's API server stands still from the first line on the standard input to
# the next one, or to the input's end; for so long at most.
pids=$(processes kube-apiserver)
if [ -z "$pids" ]; then
    report none yes
    exit 0
fi
# shellcheck disable=SC2086  # one pid or several
go_on() { kill -CONT $pids 2>/dev/null; }
trap go_on EXIT
trap 'exit 1' HUP INT TERM
report ready yes
read -r _ || exit 0
# Another process as well: whoever kills this one must not leave an API server that stands still.
(
    trap '' HUP INT TERM
    sleep "$1"
    go_on
) </dev/null >/dev/null 2>&1 &
# shellcheck disable=SC2086
kill -STOP $pids
report held yes
read -r _
go_on
report going yes
