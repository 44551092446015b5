"""The fault matrix: real faults in real migrations under live writes, and what must hold afterwards.

    python -m faults

A row brings one fault into one stage of one migration of the lab. Afterwards there has to be a whole
control plane, the next deploy has to end the migration, and no acknowledged write may be missing.
Like the demonstration it watches from outside, and uses none of `unstack/`'s code but to pause.
"""
