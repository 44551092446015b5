# shellcheck shell=sh
# start CONFIG NAME TIMEOUT COMPOSE...: start the member and wait until it serves with a quorum.
config=$1
name=$2
deadline=$(($(uptime_centiseconds) + ${3%.*} * 100))
timeout=$3
shift 3

cd "$config" || die "no directory $config"
answer=$("$@" up -d 2>&1) || die "$* up failed: $(echo "$answer" | tail -n 3)"
while :; do
    pid=$(etcd_process "$name")
    if [ -n "$pid" ] && etcdctl_of "$pid" endpoint health >/dev/null 2>&1; then
        exit 0
    fi
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "no healthy etcd after $timeout s: $("$@" logs --tail 5 2>&1 | tail -n 5)"
    sleep 0.1
done
