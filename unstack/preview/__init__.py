"""What a migration would do, told before it does anything: plain functions of what was read."""

from unstack.preview.outage import Rehearsal, read_rehearsal
from unstack.preview.source import Source
from unstack.preview.text import preview

__all__ = ["Rehearsal", "Source", "preview", "read_rehearsal"]
