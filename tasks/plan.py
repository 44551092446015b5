"""Plan: what deploy.py would change on every host, how long the API would be away, and what may fail when.

pyinfra --dry inventories/prod.py tasks/plan.py

Reads the hosts and writes nothing, here or there; without --dry neither.
"""

import pyinfra

from unstack.operations.preview import show_preview
from unstack.run import Purpose, begin


def plan() -> None:
    """Print the preview. No operation, no barrier: there is nothing to put in order."""
    run = begin(examines=True, purpose=Purpose.READ)
    show_preview(run)


if pyinfra.is_cli:
    plan()
