# shellcheck shell=sh
# observe-files TEXT DIRECTORY...: the text of one file, and the files directly in these directories with
# their sha256. A large one, such as a snapshot, is named alone. Changes nothing.
report read yes
report_file text "$1"
shift
for directory; do
    for file in "$directory"/*; do
        [ -f "$file" ] || continue
        sha256=large
        if [ "$(stat -c %s "$file")" -le 1048576 ]; then sha256=$(sha256sum <"$file" | cut -d ' ' -f 1); fi
        report file "$sha256 $file"
    done
done
