"""Facts about files."""

from __future__ import annotations

from dataclasses import dataclass

from levity_trio.events.fact import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReceived(Fact):
    """A charger sent a file for a command of ours: `kind` is diagnostics or log."""

    file: int
    command: int
    kind: str
    size_bytes: int
