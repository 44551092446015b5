# shellcheck shell=sh
# put-back DATA CONTAINER RUN: the member's data from before RUN's restore in its place again, where the
# restored data had taken it. Nobody may have written to the restored data. Reports whether there is data of
# before: a member that had lost its own has none.
data=$1
run=$3

# move FROM TO
move() {
    mv -T "$data/$1" "$data/$2" || die "that $data/$1 can't be moved to $2" "a rename" "look at its disk, then run again"
}

umask 077
# It may have been killed between two of its renames: what it had kept tells, and what is not beside any more.
if [ -d "$data/previous-$run" ] ||
    { [ ! -d "$data/restoring-$run" ] && grep -qs "\"run\": \"$run\"" "$data/restored.json"; }; then
    if container_exists "$2"; then
        docker stop --time 30 "$2" >/dev/null || die "a member that docker can't stop" "a stopped one" "look at the engine on this host"
    fi
    if [ ! -f "$data/restoring-$run.json" ] && [ -f "$data/restored.json" ]; then move restored.json "restoring-$run.json"; fi
    if [ -d "$data/data" ]; then move data "restoring-$run"; fi
    if [ -f "$data/previous-$run.json" ]; then move "previous-$run.json" restored.json; fi
    if [ -d "$data/previous-$run" ]; then move "previous-$run" data; fi
fi
if [ -d "$data/data" ]; then report data yes; fi
