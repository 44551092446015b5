"""The demonstration: a real migration under live writes, measured, and what it lost (nothing).

    python -m demo

It watches from outside: Kubernetes' API, /proc and etcdctl, and none of `unstack/`'s code.
"""
