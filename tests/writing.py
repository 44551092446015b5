"""Live writes around what a test does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from demo.api import tls_context
from demo.objects import create_namespace, listed, missing
from demo.writers import Writers, entrances
from lab import Lab
from lab.state import KUBECONFIG

WRITE_SECONDS = 60.0


@contextmanager
def writing(lab: Lab, prefix: str) -> Iterator[Writers]:
    """Writers through every API server and the load balancer, each of which writes before the block.

    + prefix: of their objects' names; what an earlier test wrote may be there still

    If the block raises nothing, each of them has to write again after it.
    """
    context = tls_context(KUBECONFIG)
    create_namespace(lab.load_balancer, context)
    writers = Writers(entrances(lab), context, prefix)
    writers.start()
    try:
        writers.wait_until_all_write(WRITE_SECONDS)
        yield writers
        writers.wait_until_all_write(WRITE_SECONDS)
    finally:
        writers.stop()


def lost(lab: Lab, writers: Writers) -> list[str]:
    """The acknowledged writes that are missing."""
    return list(missing(writers.acknowledged(), listed(lab.load_balancer, tls_context(KUBECONFIG))))
