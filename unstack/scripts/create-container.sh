# shellcheck shell=sh
# create-container CONFIG COMPOSE...: the container as the compose file says, not started.
config=$1
shift
cd "$config" || die "no directory $config"
# docker-compose 1.29 and the plugin both know "up --no-start"; "create" is the plugin's alone.
answer=$("$@" up --no-start 2>&1) || die "$* refuses $config/docker-compose.yaml: $(echo "$answer" | tail -n 3)"
