# shellcheck shell=sh
# observe-etcd-host DATA CONFIG IMAGE CONTAINER PORT...: an external member's host. Changes nothing.
data=$1
config=$2
image=$3
container=$4
shift 4

report user "$(id -u)"
if command -v docker >/dev/null 2>&1; then
    if version=$(docker version --format '{{.Server.Version}}' 2>/dev/null); then
        report engine "$version"
        if docker image inspect "$image" >/dev/null 2>&1; then report image yes; fi
        state=$(docker inspect --type container --format '{{.State.Status}}' "$container" 2>/dev/null)
        if [ -n "$state" ]; then report container "$state"; fi
        if container_is_from "$container" "$config"; then report container_is_ours yes; fi
    fi
    if docker compose version >/dev/null 2>&1; then report compose "docker compose"; fi
fi
if command -v docker-compose >/dev/null 2>&1; then report compose docker-compose; fi
for port in "$@"; do
    if listens "$port"; then
        report listening "$port"
    fi
done
existing=$data
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
report free_kilobytes "$(df -Pk "$existing" | awk 'NR == 2 { print $4 }')"
if [ -d "$data/data" ] && [ -n "$(ls -A "$data/data")" ]; then report data yes; fi
report_file restored "$data/restored.json"
if rehearsal_left "$data"; then report rehearsal yes; fi
if [ -d "$data" ]; then
    # Leftovers of our own names are known; anything else there is somebody's.
    foreign=$(find "$data" -mindepth 1 -maxdepth 1 ! -name data ! -name lost+found \
        ! -name restored.json ! -name 'restoring-*' ! -name 'previous-*' ! -name 'snapshot-*' ! -name etcdutl | head -n 3)
    if [ -n "$foreign" ]; then report foreign "$foreign"; fi
fi
for file in "$config/docker-compose.yaml" "$config"/pki/*; do
    if [ -f "$file" ]; then report "sha256/$file" "$(sha256sum <"$file" | cut -d ' ' -f 1)"; fi
done
report time "$(date +%s.%N)"
