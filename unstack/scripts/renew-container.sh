# shellcheck shell=sh
# renew-container CONFIG COMPOSE...: the member's container made anew from its compose file, and started.
# One call of compose: who is killed here has not stopped a member for good.
cd "$1" || die "no directory $1" "the one with the compose file" "run tasks/prepare.py"
shift
answer=$(bounded "$@" up -d 2>&1) ||
    die "a container that compose can't make anew: $(echo "$answer" | tail -n 3)" "a running member" "mend what it says, then run again"
