"""The migration, stage by stage: stacked etcd to external etcd, losing nothing.

    pyinfra --dry inventories/prod.py deploy.py    # what would happen, in order; changes nothing
    pyinfra inventories/prod.py deploy.py          # the migration

Every stage ends in a barrier on all hosts, and the first failure anywhere ends the run everywhere.
"""

from pyinfra import local

from unstack.operations.strategy import strategy_of
from unstack.run import begin
from unstack.strategy import Strategy

local.include("tasks/preflight.py")  # every problem on every host, before anything is changed
local.include("tasks/pki.py")  # certificates of the external cluster
local.include("tasks/prepare.py")  # image, compose file, container, new manifests; nothing runs
if strategy_of(begin()) is Strategy.LIVE:
    local.include("tasks/grow.py")  # every external member joins the cluster, catches up, and votes
    local.include("tasks/switch.py")  # the API servers use them, one after the other
    local.include("tasks/shrink.py")  # the stacked members leave, one after the other
    local.include("tasks/settle.py")  # each external member runs as it will from now on
else:
    local.include("tasks/fence.py")  # no API server can write any more: the outage begins
    local.include("tasks/snapshot.py")  # the fenced state, once
    local.include("tasks/distribute.py")  # the same bytes on every member's host
    local.include("tasks/restore.py")  # each member under its own name
    local.include("tasks/start.py")  # the external cluster
    local.include("tasks/prove.py")  # it holds exactly what the stacked one holds
    local.include("tasks/cutover.py")  # the control plane on the external cluster: the outage ends
local.include("tasks/confirm.py")  # it works; the stacked etcd is put to rest, its data kept
