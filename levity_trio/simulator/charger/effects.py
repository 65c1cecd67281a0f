"""Actions that need I/O. The shell carries them out and passes back the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Loaded = Callable[[bytes | None, float], None]
"""Gets the content (for an upload: the response body) or None on failure, and the moment."""


@dataclass(frozen=True, slots=True)
class Download:
    """Download a firmware file."""

    url: str
    then: Loaded


@dataclass(frozen=True, slots=True)
class Upload:
    """Upload a file: diagnostics or a log."""

    url: str
    name: str
    content: bytes
    then: Loaded


@dataclass(frozen=True, slots=True)
class ConnectionEffect:
    """Act on the connection. `kind` is `close` (in order), `drop`, `half-close` or `freeze` (stop reading and sending).

    No new connection is opened for `seconds`, simulated; a half-closed or frozen one stays as it is meanwhile.
    """

    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SendText:
    """Send a text frame of any content."""

    text: str


Effect = Download | Upload | ConnectionEffect | SendText
