# shellcheck shell=sh
# create-container CONFIG DATA CONTAINER COMPOSE...: the container as the compose file says, not
# started, and beside its data the etcdutl of its image, for a restore that need not start one more
# container inside the outage.
config=$1
data=$2
container=$3
shift 3
cd "$config" || die "no directory $config" "the one with the compose file" "run tasks/prepare.py"
# docker-compose 1.29 and the plugin both know "up --no-start"; "create" is the plugin's alone.
answer=$(bounded "$@" up --no-start 2>&1) || die "that $* refuses $config/docker-compose.yaml: $(echo "$answer" | tail -n 3)" "a created container" \
        "mend what it says, then run again"
umask 077
rm -f "$data/etcdutl"
for path in /usr/local/bin /usr/bin /bin; do
    docker cp --follow-link "$container:$path/etcdutl" "$data/etcdutl" >/dev/null 2>&1 && break
done
# It may not run here: a filesystem without the right to, or libraries that only the image has.
"$data/etcdutl" version >/dev/null 2>&1 || rm -f "$data/etcdutl"
