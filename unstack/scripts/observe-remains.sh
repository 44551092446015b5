# shellcheck shell=sh
# observe-remains MANIFESTS DATA NAME PEER_URL ARCHIVE FILE...: what is left of the stacked etcd NAME: its
# data, and those of the certificates and keys FILE that are there. Changes nothing.
manifests=$1
data=$2
name=$3
peer_url=$4
archive=$5
shift 5

report user "$(id -u)"
pid=$(etcd_of "$data" "$name")
if [ -n "$pid" ]; then report process "$pid"; fi
if [ -e "$data/member" ]; then
    report kilobytes "$(du -sk "$data/" | cut -f 1)"
    # bbolt's magic number, behind the header of its first page; and the member's peer URL, by which another
    # cluster's data is told apart. Not its name: of a member that joined, etcd 3.5.1 has none in there.
    database=$data/member/snap/db
    if [ -n "$(ls "$data/member/wal/"*.wal 2>/dev/null)" ] &&
        [ "$(od -An -v -tx1 -j 16 -N 4 "$database" 2>/dev/null | tr -d ' \n')" = edda0ced ] &&
        [ -n "$peer_url" ] && grep -aqsF -e "\"$peer_url\"" -e "\"$peer_url\\\"" \
        "$database" "$data/member/wal/"*.wal "$data/member/snap/"*.snap; then
        report member yes
    fi
fi
if [ -d "$data" ]; then
    # What runs leave has known names. A link would be archived and its target not.
    foreign=$(
        find "$data/" -mindepth 1 -maxdepth 1 ! -name member ! -name lost+found ! -name '.unstack-*'
        if [ -d "$data/member" ]; then
            find "$data/member/" -mindepth 1 -maxdepth 1 ! -name snap ! -name wal
            find "$data/member/" ! -type d ! -type f
        fi
    )
    if [ -n "$foreign" ]; then report foreign "$(echo "$foreign" | head -n 3)"; fi
fi
for file; do
    if [ -L "$file" ]; then
        report foreign "$file"
    elif [ -f "$file" ]; then
        report file "$file"
        for manifest in "$manifests"/*; do
            if grep -qF -- "$file" "$manifest" 2>/dev/null; then report used "$file by $manifest"; fi
        done
    fi
done
if [ -f "$archive" ]; then report archive yes; fi
# Of an archive that a killed run began: it makes room for the next one.
report unfinished_kilobytes "$(($(stat -c %s "$archive.part" 2>/dev/null || echo 0) / 1024))"
if tar --version 2>/dev/null | grep -q 'GNU tar'; then report tar yes; fi
