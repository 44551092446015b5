"""deploy.py with a pause point before each of its stages and one at the end.

UNSTACK_PAUSES=DIRECTORY UNSTACK_PAUSE_AT=before-fence pyinfra -y inventories/lab.py faults/deploy.py
"""

from pathlib import Path

from pyinfra import host, local

from faults.pauses import pause
from faults.points import END, before, stages
from unstack.operations.strategy import strategy_of
from unstack.run import begin

# host.loop: pyinfra tells operations apart by line numbers, and in a plain loop all have the same.
for stage in host.loop(stages(Path("deploy.py").read_text(encoding="utf-8"), strategy_of(begin()).value)):
    pause(before(stage))
    local.include(f"tasks/{stage}.py")
pause(END)
