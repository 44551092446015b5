# shellcheck shell=sh
# keep-restore-tool KEPT NAME: the restore tool of the stacked member's own image, kept beside its manifest:
# a rollback must not depend on the image. Nothing where the member does not run.
umask 077
mkdir -p "$1/stacked"
pid=$(etcd_process "$2")
# etcdutl since 3.5; before, and for the restore alone, etcdctl takes the same arguments.
if [ -n "$pid" ] && tool=$(etcd_tool "$pid" etcdutl || etcd_tool "$pid" etcdctl); then
    replace "/proc/$pid/root$tool" "$1/stacked/etcdutl" "$1"
    chmod 0700 "$1/stacked/etcdutl"
fi
