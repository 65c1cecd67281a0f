"""Facts about files."""

from __future__ import annotations

from levity_trio.events.fact import Fact
from levity_trio.records import record


@record
class FileReceived(Fact):
    """A charger sent a file for a command of ours: `kind` is diagnostics or log."""

    file: int
    command: int
    kind: str
    size_bytes: int
