"""pyinfra's own settings for every command of this repository."""

# pyinfra reads `config` from the context; the import is the documented way to reach it.
from pyinfra import config

from unstack.colours import respect_no_color
from unstack.progress import tell_connections

# The order of operations is asserted by tests against this release line (docs/decisions.md).
config.REQUIRE_PYINFRA_VERSION = "~=3.10.0"

# One failed host is one too many. pyinfra's default goes on with the hosts that are left, which
# in the middle of a cutover splits the cluster. Until the run's own guard takes over, connecting
# is tolerant, so that preflight can name every unreachable host together with all other problems.
config.FAIL_PERCENT = None
config.CONNECT_TIMEOUT = 10

respect_no_color()
tell_connections()
