# shellcheck shell=sh
# observe-apiserver-start: when this host's kube-apiserver began, and the lines of its log, as kubelet keeps it,
# that say until when it had no etcd and since when it serves. Changes nothing.
pid=$(processes kube-apiserver | head -n 1)
[ -n "$pid" ] || die "no running kube-apiserver" "one" "look at kubelet on this master"
read -r up _ </proc/uptime
report boot "$(date +%s.%N) $up"
report ticks "$(getconf CLK_TCK) $(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)"
# The newest is the running container's; one that was rotated since may have lost its beginning.
# shellcheck disable=SC2012  # kubelet's names hold neither spaces nor newlines
log=$(ls -t /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log 2>/dev/null | head -n 1)
[ -n "$log" ] || exit 0
report waiting "$(sed '/Serving securely on/q' "$log" | grep -F 'Error while dialing' | tail -n 1)"
report serving "$(grep -F 'Serving securely on' "$log" | head -n 1)"
