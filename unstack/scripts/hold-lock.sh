# shellcheck shell=sh
# hold-lock FILE HOLDER STALE_SECONDS: hold the lock of this cluster as long as standard input stays
# open, so that it falls with whoever holds it. Every line on it is a sign of life. Answers "locked", or
# "held" with the other's words, "silent" with the seconds since its last sign of life.
file=$1
stale=$3

umask 077
mkdir -p "${file%/*}"
exec 9>>"$file"
if ! flock -n 9; then
    silent=$(($(date +%s) - $(stat -c %Y "$file.holder" 2>/dev/null || date +%s)))
    held=$(sed -n 2p "$file.holder" 2>/dev/null)
    if [ "$silent" -lt "$stale" ]; then
        report held "$held"
        report silent "$silent"
        exit 0
    fi
    # Its connection is dead, which sshd has not noticed yet. It stops at its next step: the end of
    # this process closes its channel.
    kill "$(sed -n 1p "$file.holder")" 2>/dev/null
    flock -w 5 9 || die "the lock $file, held by a process that does not end" "a lock that can be taken" \
        "see who holds it: fuser $file"
    report stale "$held"
    report silent "$silent"
fi
printf '%s\n%s\n' "$$" "$2" >"$file.holder"
report locked yes
while read -r _; do touch "$file.holder"; done
rm -f "$file.holder"
