"""What a restore of a backup leaves behind when it fails: the data of before, or the restored data.

The data of before, as long as no API server was started on the restored data: nothing is lost by going
back. The restored data from then on.
"""

from __future__ import annotations

from pyinfra import logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.observations import Restoring
from unstack.operations.start import start_arguments
from unstack.recovery import advise, on_hosts, reachable_masters, start_external
from unstack.remote import run_script
from unstack.run import Run, etcd_hosts

AGAIN = "mend what failed, then run the same command again"


def after_restore_failure(run: Run) -> None:
    """Leave a whole control plane behind, and say on which data. Raises nothing."""
    try:
        _after_failure(run)
    except Exception as error:
        logger.error(f"    {error}")
        advise("the control plane could not be made whole", AGAIN)


def _after_failure(run: Run) -> None:
    observed, silent = reachable_masters(run)
    marks = [one.restoring for one in observed.values() if one.restoring]
    if "restored data is in use" in run.results or any(mark.in_use for mark in marks):
        logger.info("    going on with the restored data: it holds writes, or may hold them")
        start_external(run, observed, silent, ", with the restored data", AGAIN)
        return
    mark: Restoring = run.cache["restoring"]
    logger.info("    putting the data of before back: nobody has written to the restored data")
    _put_back(run, mark)
    told = ", with the data of before the restore: nothing was changed"
    if start_external(run, observed, silent, told, AGAIN) and not silent:
        kept = run.topology.settings.kept_directory
        on_hosts(observed, lambda one: run_script(one, "end-restoring", kept))


def _put_back(run: Run, mark: Restoring) -> None:
    """The members on their data of before. Raises OperationError where too few of them are.

    Only with a quorum of them can no quorum of members on the restored data be.
    """
    settings = run.topology.settings
    places = (settings.etcd_data_directory, settings.etcd_container, mark.run)
    names = [one.name for one in etcd_hosts()]
    failed = on_hosts(names, lambda one: run_script(one, "put-back", *places))
    back = [name for name in names if name not in failed]
    if 2 * len(back) <= len(names):
        raise OperationError(
            f"{', '.join(sorted(failed))}: found members whose data of before could not be put back; expected"
            f" a quorum of the {len(names)} on it; to do: mend these hosts. No API server was started"
        )

    def start(one: Host) -> None:
        run_script(one, "start", *start_arguments(run))

    on_hosts(back, start)
