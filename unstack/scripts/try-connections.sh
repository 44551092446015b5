# shellcheck shell=sh
# try-connections SECONDS ADDRESS:PORT...: a TCP connection to each, opened and closed, three times, at most
# SECONDS long, with the milliseconds that it took and what came of it. Changes nothing; etcd logs an EOF.
seconds=$1
shift
command -v bash >/dev/null 2>&1 || die "no bash" "one, to try connections with" "install bash"
export LC_ALL=C
# try ADDRESS PORT: bash has connections built in, and in bash 5 a clock that costs no fork.
try() {
    # shellcheck disable=SC2016  # for bash to expand
    answer=$(timeout "$seconds" bash -c 'began=${EPOCHREALTIME:-$(date +%s.%N)}
        exec 3<>"/dev/tcp/$0/$1" && echo connected
        echo "$began ${EPOCHREALTIME:-$(date +%s.%N)}"' "$1" "$2" 2>&1) ||
        { echo "0 no answer within $seconds s" && return; }
    # What bash says of a failure ends in its reason; its own times come last.
    echo "$answer" | awk '{ before = said; said = $0 }
        END { split(said, at, " "); sub(/.*: /, "", before); printf "%.3f %s", (at[2] - at[1]) * 1000, before }'
}
for peer; do
    (for _ in 1 2 3; do report connection "${peer%:*} ${peer##*:} $(try "${peer%:*}" "${peer##*:}")"; done) &
done
wait
