# shellcheck shell=sh
# observe-apiserver-start NAME: when this host's kube-apiserver and its stacked member NAME began, and the
# line of the API server's log, as kubelet keeps it, that says since when it serves. Changes nothing.
report boot "$(date +%s.%N) $(cut -d ' ' -f 1 /proc/uptime) $(getconf CLK_TCK)"
# began KEY PID: field 22 of stat, in clock ticks since boot; the name in field 2 may hold spaces.
began() {
    [ -n "$2" ] || die "no running $1" "one" "look at kubelet on this master"
    report "$1" "$(sed 's/.*) //' "/proc/$2/stat" | cut -d ' ' -f 20)"
}
began kube-apiserver "$(processes kube-apiserver | head -n 1)"
began etcd "$(etcd_process "$1")"
# The newest is the running container's; one that was rotated since may have lost its beginning.
# shellcheck disable=SC2012  # kubelet's names hold neither spaces nor newlines
log=$(ls -t /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log 2>/dev/null | head -n 1)
if [ -n "$log" ]; then report serving "$(grep -F 'Serving securely on' "$log" | head -n 1)"; fi
