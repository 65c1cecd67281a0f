"""What a charger cannot do by itself: its shell does it, and tells how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Loaded = Callable[[bytes | None, float], None]
"""Gets what was read (for an upload: what was answered), None where it failed; and the moment."""


@dataclass(frozen=True, slots=True)
class Download:
    """Fetch a file: a firmware."""

    url: str
    then: Loaded


@dataclass(frozen=True, slots=True)
class Upload:
    """Put a file there: diagnostics, a log."""

    url: str
    name: str
    content: bytes
    then: Loaded


@dataclass(frozen=True, slots=True)
class Hang:
    """Do something to the connection: `close` it in order, `drop` it, `half-close` it, or `freeze`: fall silent.

    For `seconds`, simulated, there will be no other: the half-closed and the frozen one stay as they are.
    """

    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SendText:
    """Send any text, whatever it is."""

    text: str


Effect = Download | Upload | Hang | SendText
