# shellcheck shell=sh
# observe-trust NOTE CA MEMBER: the CA file of the etcd of this --name, or of the API server where MEMBER
# is empty, and which of its processes have read it as it is (note_trust). Changes nothing.
flag=etcd-cafile
pids=$(processes kube-apiserver)
if [ -n "$3" ]; then
    flag=trusted-ca-file
    pids=$(etcd_process "$3")
fi
report read yes
for pid in $pids; do
    report file "$(argument "$pid" "$flag")"
    report process "$pid $(process_start "$pid")"
done
if [ -f "$2" ]; then report sha256 "$(sha256sum <"$2" | cut -d ' ' -f 1)"; fi
report_file note "$1"
