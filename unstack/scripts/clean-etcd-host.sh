# shellcheck shell=sh
# clean-etcd-host DATA STATE: remove what earlier runs kept, and nothing of the member itself.
rm -rf "${1:?}"/previous-* "${1:?}"/restoring-* "${1:?}"/snapshot-* "${1:?}/etcdutl"
rm -f "${2:?}"/snapshot-*.db "${2:?}"/snapshot-*.db.part "${2:?}/snapshot.json"
