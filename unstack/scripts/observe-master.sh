# shellcheck shell=sh
# observe-master MANIFESTS KEPT STATE: what a control plane host holds and runs. Changes nothing.
manifests=$1
kept=$2
state=$3

report user "$(id -u)"
for component in kube-apiserver kube-controller-manager kube-scheduler etcd; do
    report_file "live/$component" "$manifests/$component.yaml"
    report_file "fenced/$component" "$kept/fenced/$component.yaml"
    report_file "kept/$component" "$kept/stacked/$component.yaml"
done
if [ -f "$kept/returning" ]; then report returning yes; fi
for mark in confirmed decommissioning decommissioned restoring; do report_file "$mark" "$kept/$mark"; done
if [ -x "$kept/stacked/etcdutl" ]; then report restore_tool yes; fi
report_file snapshot "$state/snapshot.json"
report_file prepared "$kept/prepared/kube-apiserver.yaml"
for pid in $(processes kube-apiserver kube-controller-manager kube-scheduler etcd); do
    started=$(process_start "$pid")
    report process "$pid ${started:-0} $(tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null)"
done
existing=$kept
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
if [ -d "$manifests" ] && [ "$(stat -c %d "$manifests")" = "$(stat -c %d "$existing")" ]; then
    report same_filesystem yes
fi
# Where the snapshot will lie.
while [ ! -d "$state" ]; do state=$(dirname "$state"); done
report free_kilobytes "$(df -Pk "$state" | awk 'NR == 2 { print $4 }')"
if command -v curl >/dev/null 2>&1; then report curl yes; fi
# Last, so that little lies between the host's clock being read and the answer arriving.
report time "$(date +%s.%N)"
