"""What a restore of a backup leaves behind when it fails: the data of before, or the restored data.

The data of before, as long as no API server was started on the restored data: nothing is lost by going
back. The restored data from then on.
"""

from __future__ import annotations

from pyinfra import logger
from pyinfra.api.exceptions import OperationError
from pyinfra.api.host import Host

from unstack.observations import COMPONENTS, parse_report
from unstack.operations.start import start_arguments
from unstack.recovery import advise, on_hosts, reachable_masters, start_external
from unstack.remote import run_script
from unstack.restoring import Restoring
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
    kept = run.topology.settings.kept_directory
    if not silent and all(set(COMPONENTS) <= set(one.live) for one in observed.values()):
        # The fence had not begun to close: nothing has been stopped.
        on_hosts(observed, lambda one: run_script(one, "end-restoring", kept))
        return
    mark: Restoring = run.cache["restoring"]
    logger.info("    putting the data of before back: nobody has written to the restored data")
    left = _put_back(run, mark)
    told = ", with the data of before the restore: nothing was changed"
    if left:
        told = f", with the data of before the restore on all members but {', '.join(sorted(left))}"
    # With a mark left the same command finishes it, and nothing else may begin.
    if start_external(run, observed, silent, told, AGAIN) and not silent and not left:
        on_hosts(observed, lambda one: run_script(one, "end-restoring", kept))


def _put_back(run: Run, mark: Restoring) -> set[str]:
    """The members on their data of before; the names of those that could not be brought there.

    Raises OperationError where no quorum of them has any.

    Then API servers could not work, or would work with members on the restored data.
    """
    settings = run.topology.settings
    places = (settings.etcd_data_directory, settings.etcd_container, mark.run)
    names = [one.name for one in etcd_hosts()]
    back: list[str] = []

    def put_back(one: Host) -> None:
        if "data" in parse_report(run_script(one, "put-back", *places)):
            back.append(one.name)

    failed = on_hosts(names, put_back)
    if 2 * len(back) <= len(names):
        raise OperationError(
            f"found data of before on {', '.join(sorted(back)) or 'no host'}; expected it on most of"
            f" the {len(names)} members' hosts; to do: mend the others. No API server was started"
        )

    def start(one: Host) -> None:
        run_script(one, "start", *start_arguments(run))

    return failed | on_hosts(back, start)
