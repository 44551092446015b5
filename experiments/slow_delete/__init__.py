"""Why deleting a pod takes long after a migration by hand: each suspected cause, built by itself.

    python -m experiments.slow_delete [--only NAME ...]

What it does to the lab it does without `unstack/`, except for the migration that it compares with.
"""
