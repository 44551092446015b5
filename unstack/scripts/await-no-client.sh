# shellcheck shell=sh
# await-no-client NAME TIMEOUT: until nobody is connected to the client port of this host's member any more,
# by the kernel's own tables: a client would lose what it has under way when the member leaves. The member
# is a client of itself, and its probe is another port's.
deadline=$(($(uptime_centiseconds) + ${2%.*} * 100))

# connections PORT: "REMOTE INODE" of what is established with this local port, the address in the kernel's
# hexadecimal; the inode is that of the client's end where that is on this host, else 0.
connections() {
    cat "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null | awk -v port=":$(printf '%04X' "$1")" '
        # An IPv4 address stands in the IPv6 table with a prefix of its own.
        function plain(address) { sub(/^0000000000000000FFFF0000/, "", address); return address }
        $4 == "01" { inode[plain($2) " " plain($3)] = $10 }
        END {
            for (pair in inode) {
                split(pair, end, " ")
                if (substr(end[1], length(end[1]) - 4) == port) print end[2], inode[end[2] " " end[1]] + 0
            }
        }'
}

# readable ADDRESS: as people write it. The kernel's words are in this machine's byte order.
readable() {
    hexadecimal=${1%:*}
    port=$(printf '%d' "0x${1##*:}")
    case ${#hexadecimal} in
    8) echo "$hexadecimal" | sed 's/\(..\)\(..\)\(..\)\(..\)/0x\4 0x\3 0x\2 0x\1/' | {
        read -r a b c d
        printf '%d.%d.%d.%d:%s\n' "$a" "$b" "$c" "$d" "$port"
    } ;;
    *) echo "$hexadecimal" |
        sed 's/\(..\)\(..\)\(..\)\(..\)/\4\3\2\1/g; s/..../&:/g; s/:$//' |
        sed "s/.*/[&]:$port/" ;;
    esac
}

pid=$(etcd_process "$1")
[ -n "$pid" ] || die "no running etcd with --name=$1" "this host's member" "look at its log"
url=$(argument "$pid" listen-client-urls)
url=${url%/}
while :; do
    found=
    own=" $(find "/proc/$pid/fd" -type l -exec readlink {} + 2>/dev/null | sed -n 's/^socket:\[\(.*\)\]$/\1/p' | tr '\n' ' ')"
    clients=$(connections "${url##*:}")
    while read -r remote inode; do
        case "$own" in
        *" $inode "*) continue ;;
        esac
        [ -z "$remote" ] || found="$found, $(readable "$remote")"
    done <<CLIENTS
$clients
CLIENTS
    [ -n "$found" ] || exit 0
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "clients of the stacked etcd $1: ${found#, }" "none: a member that leaves drops what they have under way" \
            "see what they are (ss -tnp), have them use the external etcd or stop them, then run again"
    sleep 0.2
done
