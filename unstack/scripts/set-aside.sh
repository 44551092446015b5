# shellcheck shell=sh
# set-aside DATA CONFIG CONTAINER RUN: stop an external member that is not needed; its data is kept
# as previous-RUN. A container of that name which compose made elsewhere is somebody's.
data=$1
config=$2
container=$3
run=$4

if container_exists "$container"; then
    container_is_from "$container" "$config" || die "a container $container that is not ours" "ours" "look at it; it was left alone"
    docker rm --force "$container" >/dev/null || die "a member that docker can't stop" "a stopped one" "look at the engine; nobody uses that member"
fi
# This run may have set an earlier run's data aside before it restored its own.
aside=$data/previous-$run
while [ -e "$aside" ]; do aside=$aside-again; done
if [ -d "$data/data" ]; then
    mv -T "$data/data" "$aside" || die "that $data/data can't be moved" "a rename" "look at its disk"
fi
if [ -f "$data/restored.json" ]; then mv "$data/restored.json" "$aside.json"; fi
