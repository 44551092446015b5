"""Running things in the lab's machines."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from demo.errors import DemoError
from lab import Lab, Node


def output(lab: Lab, node: Node, command: Sequence[str]) -> str:
    """What a command prints; raises DemoError with its last line if it fails."""
    code, text = lab.exec(node, command)
    if code != 0:
        lines = text.strip().splitlines() or ["no output"]
        raise DemoError(f"{node.name}: `{' '.join(command)[:80]}` failed ({code}): {lines[-1]}")
    return text


def on_all(lab: Lab, nodes: Sequence[Node], script: str) -> dict[str, str]:
    """What a bash script prints on every node, all nodes at once: name -> output."""
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        command = ["bash", "-c", script]
        texts = pool.map(lambda node: output(lab, node, command), nodes)
        return dict(zip((node.name for node in nodes), texts, strict=True))
