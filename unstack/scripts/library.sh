# shellcheck shell=sh
# Functions that every script has. POSIX sh and coreutils alone: a host may have nothing else.
set -u

# report KEY VALUE: one line of what was found; the value in base64, so that it may hold anything.
report() {
    printf '%s %s\n' "$1" "$(printf '%s' "$2" | base64 | tr -d '\n')"
}

# report_file KEY FILE: a file's content, where the file exists.
report_file() {
    if [ -f "$2" ]; then
        printf '%s %s\n' "$1" "$(base64 <"$2" | tr -d '\n')"
    fi
}

# die FOUND EXPECTED TO_DO: one line on standard error, which pyinfra shows with the host's name.
die() {
    echo "found $1; expected $2; to do: $3" | tr '\n' ' ' >&2
    echo >&2
    exit 1
}

# processes NAME...: the pids of running processes with one of these names.
# comm is read by the shell itself: a fork per process takes seconds on a busy host. The kernel
# cuts comm at 15 characters, so the names are cut alike; the whole name is in the command line:
# Calico's kube-controllers is no kube-controller-manager. A command line that is empty is a
# process that is ending, which counts.
processes() {
    cut_names=" "
    for wanted in "$@"; do
        cut_names="$cut_names$(printf '%.15s' "$wanted") "
    done
    for directory in /proc/[0-9]*; do
        comm=
        read -r comm 2>/dev/null <"$directory/comm" || continue
        case "$cut_names" in
        *" $comm "*) ;;
        *) continue ;;
        esac
        program=$(tr '\0' '\n' 2>/dev/null <"$directory/cmdline" | head -n 1)
        case " $* " in
        *" ${program##*/} "*) echo "${directory#/proc/}" ;;
        *) [ -n "$program" ] || echo "${directory#/proc/}" ;;
        esac
    done
}

# argument PID FLAG: the value of --FLAG=VALUE in a process's command line, or nothing.
argument() {
    tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | sed -n "s|^--$2=||p" | head -n 1
}

# process_start PID: when a process started, in clock ticks since boot; nothing where there is none.
# It is field 22 of stat; the name in field 2 may hold spaces.
process_start() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# ancestors: the pids of this script's parent, its parent and so on, but for init. With sudo the parent
# outlives a connection that has ended; the process of sshd above it does not.
ancestors() {
    ancestor=$PPID
    while [ "${ancestor:-0}" -gt 1 ]; do
        echo "$ancestor"
        ancestor=$(sed 's/.*) //' "/proc/$ancestor/stat" 2>/dev/null | cut -d ' ' -f 2)
    done
}

# etcd_process NAME: the pid of the etcd whose --name is NAME, or nothing.
etcd_process() {
    for candidate in $(processes etcd); do
        if [ "$(argument "$candidate" name)" = "$1" ]; then
            echo "$candidate"
            return
        fi
    done
}

# etcd_of DATA NAME: the pid of an etcd that has this name, or, whatever its name, this data directory.
etcd_of() {
    for candidate in $(processes etcd); do
        its=$(stat -c %d:%i "/proc/$candidate/root$(argument "$candidate" data-dir)/member" 2>/dev/null)
        if [ "$(argument "$candidate" name)" = "$2" ] || { [ -n "$its" ] && [ "$its" = "$(stat -c %d:%i "$1/member" 2>/dev/null)" ]; }; then
            echo "$candidate"
            return
        fi
    done
}

# etcd_tool PID NAME: the path, in its own root directory, of a tool of a running etcd's image.
etcd_tool() {
    for path in /usr/local/bin /usr/bin /bin; do
        if [ -x "/proc/$1/root$path/$2" ]; then
            echo "$path/$2"
            return
        fi
    done
    return 1
}

# client_flags PID ROOT: etcdctl's flags for talking to a running etcd, from that etcd's own flags,
# with ROOT before every path. The paths hold no spaces: etcd's own flags could not either.
client_flags() {
    certificate=$(argument "$1" cert-file)
    key=$(argument "$1" key-file)
    # A server certificate need not be allowed to act as a client; these are made for it.
    for client in healthcheck-client operator-client; do
        if [ -f "/proc/$1/root${certificate%/*}/$client.key" ]; then
            certificate=${certificate%/*}/$client.crt
            key=${certificate%.crt}.key
        fi
    done
    url=$(argument "$1" listen-client-urls)
    case "$url" in
    *https://127.0.0.1:*) url="https://127.0.0.1:${url##*https://127.0.0.1:}" ;;
    esac
    echo "--endpoints=${url%%,*} --cacert=$2$(argument "$1" trusted-ca-file) --cert=$2$certificate --key=$2$key"
}

# use_member PID: etcdctl_of_member then talks to this running etcd. What it needs is read once:
# every process more is a part of the outage.
use_member() {
    member_within=
    member_root=/proc/$1/root
    member_etcdctl=$(etcd_tool "$1" etcdctl) || die "no etcdctl in the image of etcd" "one, as in every release image" "use etcd's own image"
    member_flags=$(client_flags "$1" "")
}

# etcdctl_of_member ARGUMENT...: etcdctl from the image of a running etcd, inside its own root
# directory, with its own certificates. So it fits the server's version, needs nothing installed,
# works with every container runtime, and no key leaves its place. With $member_within it is ended after so
# many seconds: some of its commands (lease list, user list of 3.5.1) wait for good for a member that hangs.
etcdctl_of_member() {
    # shellcheck disable=SC2086  # the flags are words
    ETCDCTL_API=3 ${member_within:+timeout "$member_within"} chroot "$member_root" "$member_etcdctl" $member_flags --command-timeout=5s "$@"
}

# history_since REVISION LAST FILE: what the member's cluster was given from REVISION on, until the event
# of the revision LAST, which exists: every revision has one. A watch has no end of its own.
history_since() {
    # shellcheck disable=SC2086  # the flags are words
    ETCDCTL_API=3 timeout 10 chroot "$member_root" "$member_etcdctl" $member_flags -w json \
        watch "" --prefix --rev="$1" >"$3" 2>&1 &
    watching=$!
    while kill -0 "$watching" 2>/dev/null && ! grep -q "\"mod_revision\":$2[,}]" "$3"; do sleep 0.05; done
    kill "$watching" 2>/dev/null
    wait "$watching" 2>/dev/null
}

# listens PORT: true where something listens on that TCP port. From the kernel's own table, in
# hexadecimal, state 0A: ss and netstat need not be installed.
listens() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$(printf '%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
            END { exit !found }'
}

# replace SOURCE TARGET BESIDE: a copy of SOURCE at TARGET, whole or not at all. It is made in the
# directory BESIDE, on TARGET's filesystem: kubelet must never see a part of a manifest.
replace() {
    if ! { cp -p "$1" "$3/.replacing" && cmp -s "$1" "$3/.replacing" && sync "$3/.replacing" &&
        mv "$3/.replacing" "$2"; }; then
        rm -f "$3/.replacing"
        die "that $1 can't be copied to $2" "a whole copy" "look at the disk of $3, then run again"
    fi
}

# bounded COMMAND...: an engine that hangs must not hold a run up for ever, nor end it without a word.
bounded() {
    timeout -k 5 120 "$@" || {
        ended=$?
        case $ended in
        124 | 137) echo "no answer of $1 within 120 s" >&2 ;;
        esac
        return "$ended"
    }
}

# record KEPT MARK RUN: the note KEPT/MARK with the run and the time (UTC, by this host's clock).
record() {
    { printf '{"run": "%s", "at": "%s"}\n' "$3" "$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" >"$1/.$2" &&
        sync "$1/.$2" && mv "$1/.$2" "$1/$2"; } ||
        die "that $1/$2 can't be written" "the note" "look at its disk, then run again"
}

# etcdutl_of_image DATA IMAGE ARGUMENT...: the target's own etcdutl: a snapshot is restored by the version
# that will serve it. The copy that prepare made needs no container, whose start takes longer than the
# restore.
etcdutl_of_image() {
    etcdutl_data=$1
    etcdutl_image=$2
    shift 2
    if [ -x "$etcdutl_data/etcdutl" ]; then
        "$etcdutl_data/etcdutl" "$@"
    else
        # Not bounded as other calls of the engine are: a large database takes its time. An engine
        # that hangs is found by the call before.
        docker version >/dev/null || return
        command docker run --rm --network none --user 0:0 --entrypoint etcdutl \
            --volume "$etcdutl_data:$etcdutl_data" "$etcdutl_image" "$@"
    fi
}

# place_data DATA RUN: what RUN has restored becomes the member's data; what was there is kept as
# previous-RUN. What a kill has left half-way is completed.
place_data() {
    [ -d "$1/restoring-$2" ] || die "no $1/restoring-$2" "data that run $2 has restored" "run the same task again"
    if [ -d "$1/data" ]; then
        mv -T "$1/data" "$1/previous-$2" ||
            die "that $1/data can't be moved" "a rename" "look at its disk, then run again"
    fi
    # The note first: data without a note counts as somebody's and is never touched.
    if [ -f "$1/restoring-$2.json" ]; then
        if [ -f "$1/restored.json" ] && [ ! -f "$1/previous-$2.json" ]; then
            mv "$1/restored.json" "$1/previous-$2.json" || die "that $1/restored.json can't be moved" "a rename" "look at its disk, then run again"
        fi
        mv "$1/restoring-$2.json" "$1/restored.json" || die "that $1/restored.json can't be written" "a rename" "look at its disk, then run again"
    fi
    mv -T "$1/restoring-$2" "$1/data" ||
        die "that $1/restoring-$2 can't be put in place" "a rename" "look at its disk, then run again"
}

# docker ARGUMENT...
docker() {
    bounded docker "$@"
}

# note_trust NOTE CA PID...: that these processes may have been started before CA was as it is now. etcd
# and API servers read it at their start alone, so every other process has read it as it is. By pid and
# start, since clocks may step; below /run, since both mean nothing after a reboot.
note_trust() {
    note=$1
    ca=$2
    shift 2
    if ! {
        mkdir -p "${note%/*}" && sum=$(sha256sum <"$ca") && echo "${sum%% *}" >"$note.new" &&
            for process; do echo "$process $(process_start "$process")"; done >>"$note.new" &&
            mv "$note.new" "$note"
    }; then
        die "that $note can't be written" "a note of what is restarted" "look at $ca and at the disk of /run, then run again"
    fi
}

# coming FILE: what is brought beside it and not yet in its place, else itself.
coming() {
    if [ -f "$1.new" ]; then echo "$1.new"; else echo "$1"; fi
}

# container_exists NAME
container_exists() {
    [ -n "$(docker inspect --type container --format '{{.Id}}' "$1" 2>/dev/null)" ]
}

# container_is_from NAME DIRECTORY: compose made it from there; another may have the same name.
container_is_from() {
    made_in=$(docker inspect --type container \
        --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$1" 2>/dev/null)
    [ -n "$made_in" ] && [ "$(readlink -f "$made_in")" = "$(readlink -f "$2")" ]
}

# rehearsed DATA: the data there was restored by a rehearsal, by its note.
rehearsed() {
    grep -q '"run": "[^"]*-rehearsal"' "$1/restored.json" 2>/dev/null
}

# rehearsal_left DATA: a rehearsal has left something there.
rehearsal_left() {
    rehearsed "$1" || [ -n "$(find "$1" -mindepth 1 -maxdepth 1 \
        \( -name 'snapshot-*-rehearsal.db*' -o -name 'restoring-*-rehearsal*' \) 2>/dev/null)" ]
}

# uptime_centiseconds: hundredths of a second since the system started: no fork, no clock step.
uptime_centiseconds() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}"
}

# ask_api CA CERTIFICATE KEY ARGUMENT...: curl's answer of an API server and, behind a blank, its HTTP
# status: 000 where none answered. What it refuses is an answer too, with its reason.
ask_api() {
    api_ca=$1
    api_certificate=$2
    api_key=$3
    shift 3
    curl --silent --show-error --max-time 10 --noproxy '*' --header 'Content-Type: application/json' \
        --write-out ' %{http_code}' --cacert "$api_ca" --cert "$api_certificate" --key "$api_key" "$@" 2>&1
}
