# shellcheck shell=sh
# put-back DATA CONTAINER RUN: the member's data from before RUN's restore in its place again, where the
# restored data had taken it. Nobody may have written to the restored data.
data=$1
run=$3

[ -d "$data/previous-$run" ] || exit 0
umask 077
if container_exists "$2"; then
    docker stop --time 30 "$2" >/dev/null || die "a member that docker can't stop" "a stopped one" "look at the engine on this host"
fi
# Without a note beside it the restored data had been given its place, or was about to be.
if [ ! -f "$data/restoring-$run.json" ] && [ -f "$data/restored.json" ]; then
    mv "$data/restored.json" "$data/restoring-$run.json" || die "that $data/restored.json can't be moved" "a rename" "look at its disk, then run again"
fi
if [ -d "$data/data" ]; then
    mv -T "$data/data" "$data/restoring-$run" || die "that $data/data can't be moved" "a rename" "look at its disk, then run again"
fi
if [ -f "$data/previous-$run.json" ]; then
    mv "$data/previous-$run.json" "$data/restored.json" || die "that $data/restored.json can't be written" "a rename" "look at its disk, then run again"
fi
mv -T "$data/previous-$run" "$data/data" || die "that $data/previous-$run can't be moved" "a rename" "look at its disk, then run again"
