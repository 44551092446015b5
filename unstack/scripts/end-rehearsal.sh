# shellcheck shell=sh
# end-rehearsal DATA CONFIG CONTAINER: the member of a rehearsal, its data and its copies of the snapshot are
# gone when this returns. Known by their names and their note: nothing else is touched.
data=$1
config=$2
container=$3
ended=$data/restoring-ended-rehearsal

if rehearsed "$data"; then
    if container_exists "$container"; then
        container_is_from "$container" "$config" || die "a container $container that is not ours" "ours" "look at it; it was left alone"
        docker rm --force "$container" >/dev/null || die "a member that docker can't stop" "a stopped one" "look at the engine; nobody uses that member"
    fi
    # Under a name that tells whose it is before the note goes: data without one counts as somebody's.
    rm -rf "$ended"
    if [ -d "$data/data" ]; then
        mv -T "$data/data" "$ended" || die "that $data/data can't be moved" "a rename" "look at its disk"
    fi
    rm -f "$data/restored.json"
fi
rm -rf "$data"/snapshot-*-rehearsal.db* "$data"/restoring-*-rehearsal*
! rehearsal_left "$data" || die "what a rehearsal left in $data, which can't be removed" "an empty disk" "look at that disk"
