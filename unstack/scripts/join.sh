# shellcheck shell=sh
# join CONFIG DATA NOTE NAME INDEX TIMEOUT CONTAINER COMPOSE...: start a member that was added as a learner,
# until it serves and has applied the cluster's log up to INDEX. NOTE is what stands beside data that is
# ours. A learner answers for itself alone, so its status is asked for and no linearizable read.
config=$1
data=$2
note=$3
name=$4
index=$5
timeout=$6
deadline=$(($(uptime_centiseconds) + ${6%.*} * 100))
container=$7
shift 7

cd "$config" || die "no directory $config" "the one with the compose file" "run tasks/prepare.py"
umask 077
# Before the data: data without a note counts as somebody's and is never touched.
if [ ! -d "$data/data" ]; then
    { printf '%s\n' "$note" >"$data/.restored.json" && mv "$data/.restored.json" "$data/restored.json"; } ||
        die "that $data/restored.json can't be written" "the data's note" "look at its disk, then run again"
fi
rm -f "$data/etcdutl"
docker start "$container" >/dev/null 2>&1 || answer=$(bounded "$@" up -d 2>&1) ||
    die "a container that does not start: $(echo "$answer" | tail -n 3)" "a running member" "mend what it says, then run again"
applied=
while :; do
    pid=$(etcd_process "$name")
    port=$(argument "$pid" listen-client-urls)
    if [ -n "$pid" ] && listens "${port##*:}"; then
        applied=$( (use_member "$pid" && etcdctl_of_member -w json endpoint status) 2>/dev/null |
            sed -n 's/.*"raftAppliedIndex":\([0-9]*\).*/\1/p')
        if [ "${applied:-0}" -ge "$index" ]; then exit 0; fi
    fi
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "a learner ${applied:+with $applied entries applied }not caught up after $timeout s: $(bounded "$@" logs --tail 5 2>&1 | tail -n 5)" \
            "the leader's $index" "look at its log, its disk, and the network between the members"
    sleep 0.1
done
