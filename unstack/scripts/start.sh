# shellcheck shell=sh
# start CONFIG NAME TIMEOUT CONTAINER COMPOSE...: start the member and wait until it serves with a quorum.
config=$1
name=$2
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))
timeout=$3
container=$4
shift 4

cd "$config" || die "no directory $config" "the one with the compose file" "run tasks/prepare.py"
# Compose created the container before the outage. Compose's own "start" and "up" look at everything
# once more, which takes longer than the start; "up" is for a host where somebody has removed it since.
docker start "$container" >/dev/null 2>&1 || answer=$(bounded "$@" up -d 2>&1) ||
    die "a container that does not start: $(echo "$answer" | tail -n 3)" "a running member" "mend what it says, then run again"
while :; do
    pid=$(etcd_process "$name")
    port=$(argument "$pid" listen-client-urls)
    # Not before it listens: an etcdctl that comes too early tries again only after a second. And in
    # a shell of its own: a process that is just being replaced must not end the waiting.
    if [ -n "$pid" ] && listens "${port##*:}" &&
        (use_member "$pid" && etcdctl_of_member endpoint health) >/dev/null 2>&1; then
        exit 0
    fi
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "no healthy member after $timeout s: $(bounded "$@" logs --tail 5 2>&1 | tail -n 5)" "one, with a quorum" \
            "look at its log and at the other members"
    sleep 0.1
done
