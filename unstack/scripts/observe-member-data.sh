# shellcheck shell=sh
# observe-member-data DATA CONTAINER: the little that is asked for inside the outage, quickly.
if [ -d "$1/data" ] && [ -n "$(ls -A "$1/data")" ]; then report data yes; fi
report_file restored "$1/restored.json"
report container "$(docker inspect --type container --format '{{.State.Status}}' "$2" 2>/dev/null)"
