# shellcheck shell=sh
# change-members NAME TIMEOUT ARGUMENT...: etcdctl member ARGUMENT..., asked of this host's member. etcd
# refuses a change while a member's connection is younger than 5 s, and to promote a learner that lags
# (strict-reconfig-check): it is asked again until it agrees. What an answer that was lost has done already
# is no failure. Once the run that wants it is gone, which shows by the processes above this one, it is given
# up: somebody may have gone back meanwhile.
name=$1
timeout=$2
deadline=$(($(uptime_centiseconds) + ${2%.*} * 100))
shift 2

pid=$(etcd_process "$name")
[ -n "$pid" ] || die "no running etcd with --name=$name" "this host's member" "look at its container's log"
use_member "$pid"
askers=$(ancestors)
until answer=$(etcdctl_of_member member "$@" 2>&1); do
    case "$1 $answer" in
    # "Started" is a member that has told its name, which can take one 7 s longer than to serve.
    *"in sync with leader"* | *"unhealthy cluster"* | *"not enough started members"*) ;;
    "add "*"Peer URLs already exists"* | "promote "*"can only promote a learner member"* | "remove "*"member not found"*) break ;;
    # An election, or a leader that was just lost: the change was dropped, or its answer was.
    *"request timed out"* | *"no leader"* | *"leader changed"* | *"proposal dropped"* | *"deadline exceeded"*) ;;
    *) die "a refused etcdctl member $*: $(echo "$answer" | tail -n 1)" "a change of the members" "look at the members, then run again" ;;
    esac
    [ "$(uptime_centiseconds)" -lt "$deadline" ] ||
        die "etcdctl member $* refused for $timeout s: $(echo "$answer" | tail -n 1)" "a change of the members" \
            "look at the members, then run again"
    sleep 0.1
    for asker in $askers; do
        [ -d "/proc/$asker" ] || die "that the run which asked is gone" "one that knows of the change" \
            "look at the members, then run again"
    done
done
