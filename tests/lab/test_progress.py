"""A step that can't end says what it waits for, where, for how long and until when; so does the way back."""

from __future__ import annotations

import itertools
import re

from lab import Lab
from tests.commands import pyinfra

LIMIT_SECONDS = 16
# What is promised are five; half a second more for a machine that runs the whole cluster beside it.
LONGEST_SILENCE_SECONDS = 5.5


def test_a_fence_that_one_master_does_not_close_is_never_silent(fresh_lab: Lab) -> None:
    lab = fresh_lab
    # Without kubelet nobody stops the processes whose manifests are taken away.
    status, output = lab.exec(lab.masters[1], "systemctl stop kubelet")
    assert status == 0, output
    try:
        outcome = pyinfra(
            "-y", "--data", f"fence_timeout_seconds={LIMIT_SECONDS}", "inventories/lab.py", "deploy.py"
        )
    finally:
        status, output = lab.exec(lab.masters[1], "systemctl start kubelet")
        assert status == 0, output
    assert outcome.status == 1, outcome.text
    line = rf"master-2: waiting for kube-apiserver, .* to end \((\d+) s of at most {LIMIT_SECONDS} s\)"
    seconds = [int(found) for found in re.findall(line, outcome.log)]
    # The first comes as long after the other masters' success, the last thing that was said.
    assert len(seconds) >= 2, outcome.text
    assert all(3 <= later - earlier <= 5 for earlier, later in itertools.pairwise(seconds)), seconds
    assert f"still running, {LIMIT_SECONDS} s after its manifest was taken away" in outcome.log
    # Also while the old control plane starts again.
    assert "the old control plane is back on" in outcome.log
    print(f"longest silence: {outcome.longest_silence_seconds:.2f} s")
    assert outcome.longest_silence_seconds < LONGEST_SILENCE_SECONDS, outcome.text
    assert not {"\x1b", "\r"} & set(outcome.text)
