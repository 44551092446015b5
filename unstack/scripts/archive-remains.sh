# shellcheck shell=sh
# archive-remains DATA NAME ARCHIVE FILE...: the stacked etcd's data, certificates and keys in one archive,
# below their own paths. It has its name only once it is whole, compared with what it was made from.
data=$1
archive=$3
part=$3.part
[ -z "$(etcd_of "$1" "$2")" ] || die "an etcd on $1" "none: its data is to be archived at rest" "see who started it"
shift 3

umask 077
{ mkdir -p "${archive%/*}" && chmod 0700 "${archive%/*}"; } || die "that ${archive%/*} can't be made" "a directory" "look at that filesystem"
for file; do
    shift
    if [ -e "$file" ]; then set -- "$@" "${file#/}"; fi
done
for tree in "$data"/.unstack-previous-* "$data/member"; do
    if [ -e "$tree" ]; then set -- "${tree#/}" "$@"; fi
done
if [ ! -f "$archive" ]; then
    rm -f "$part"
    # The API server needs the processor more.
    nice -n 19 tar --create --gzip --file "$part" --directory / -- "$@" 2>"$part.log" ||
        die "a failed tar: $(tail -n 3 "$part.log")" "an archive in ${archive%/*}" "look at its disk, then run again"
    rm -f "$part.log"
    made=$part
else
    made=$archive
fi
differing=$(nice -n 19 tar --compare --gzip --file "$made" --directory / 2>&1) ||
    die "$made, which differs from what it was made from: $(echo "$differing" | head -n 3)" "the same bytes" \
        "see who changed which; move that archive away, then run again"
if [ "$made" = "$part" ]; then
    sha256=$(sha256sum <"$part" | cut -d ' ' -f 1)
    echo "$sha256  ${archive##*/}" >"$archive.sha256"
    { sync "$part" "$archive.sha256" && mv "$part" "$archive"; } ||
        die "that $archive can't be put in place" "a rename" "look at its disk, then run again"
fi
report sha256 "$(sha256sum <"$archive" | cut -d ' ' -f 1)"
report bytes "$(stat -c %s "$archive")"
