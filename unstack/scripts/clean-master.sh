# shellcheck shell=sh
# clean-master KEPT STATE DATA WHAT: remove what earlier runs kept. WHAT is "all" to remove too what a
# rollback needs.
rm -rf "${1:?}/prepared" "${1:?}/external" "${1:?}"/rolled-back-* "${3:?}"/.unstack-previous-* "${3:?}/.unstack-restoring"
rm -f "${2:?}"/snapshot-*.db "${2:?}"/snapshot-*.db.part "${2:?}/snapshot.json"
rm -rf "${2:?}/backup"
if [ "$4" = all ]; then rm -rf "${1:?}/stacked"; fi
# What a fence or a cutover has emptied would look like a fence that is still closed.
for emptied in "${1:?}/fenced" "${1:?}"; do
    if [ -d "$emptied" ]; then rmdir --ignore-fail-on-non-empty "$emptied"; fi
done
