# shellcheck shell=sh
# observe-container CONTAINER: the command that a container was made with, an argument a line; nothing
# where there is none.
report command "$(docker inspect --type container --format '{{range .Config.Cmd}}{{println .}}{{end}}' "$1" 2>/dev/null)"
