"""The line between one charger and the server: texts in memory in place of a WebSocket, which may
be late or cut.

A text of the charger arrives at once. One of the server takes a while, as over a mobile network, so
that connections end while a response is under way. What a charger does to its connection is as in
simulator/link.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import trio
from trio_websocket import CloseReason, ConnectionClosed

from levity_trio.charger.budget import MemoryAccount

from .way import Way

NORMAL: Final = 1000
ABNORMAL: Final = 1006
"""The close code of a connection that ended without a close frame (RFC 6455 §7.4.1)."""


class ChargerEnd(trio.abc.AsyncResource):
    """What a link uses of its stream, and of the WebSocket above."""

    def __init__(self, up: Way, down: Way) -> None:
        self._up = up
        self._down = down
        self._is_silent = self._is_deaf = False
        self.answered = trio.Event()
        """Set when the server has answered the handshake."""
        self.refusal: str | None = None
        """What it said if it refused."""

    def freeze(self) -> None:
        """Stop reading and sending, and leave the connection open."""
        self._is_silent = self._is_deaf = True

    async def send_eof(self) -> None:
        """Send nothing more; the server meets the end of the stream."""
        self._is_silent = True
        self._up.close(ABNORMAL)
        await trio.lowlevel.checkpoint()

    async def send_message(self, text: str) -> None:
        """Raises ConnectionClosed."""
        if self._is_silent:
            return
        if self._down.end is not None:
            raise ConnectionClosed(self._down.end)
        self._up.send(text, trio.current_time())

    async def get_message(self) -> str:
        """Raises ConnectionClosed."""
        try:
            text = await self._down.receive()
        except ConnectionClosed:
            if not self._is_deaf:
                raise
            text = ""
        if self._is_deaf:
            await trio.sleep_forever()
        return text

    def say_goodbye(self) -> None:
        """Send a close frame."""
        if not self._is_silent:
            self._up.close(NORMAL)

    async def aclose(self) -> None:
        """Cut the line, unless it is closed."""
        self._up.close(ABNORMAL)
        await trio.lowlevel.checkpoint()


class ServerEnd:
    """What a session uses of its WebSocket, and of the stream below."""

    remote_address = "127.0.0.1"
    left_at = math.inf
    send_seconds = 0.0
    is_held = False

    def __init__(self, up: Way, down: Way, peer: ChargerEnd, delay: Callable[[], float]) -> None:
        self._up = up
        self._down = down
        self._peer = peer
        self._delay = delay
        self._last_arrives = 0.0
        self.account: MemoryAccount
        """The memory of the connection, which stays unused."""
        self.last_received = trio.current_time()
        self.on_overflow: Callable[[], None] = _ignore

    def answer(self, refusal: str | None = None) -> None:
        """Answer the handshake."""
        self._peer.refusal = refusal
        self._peer.answered.set()

    @property
    def closed(self) -> CloseReason | None:
        return self._down.end or self._up.end

    async def get_message(self) -> str:
        """Raises ConnectionClosed."""
        text = await self._up.receive()
        self.last_received = trio.current_time()
        return text

    async def send_text(self, text: str) -> bool:
        """Leave a text to `send_message`."""
        return False

    async def send_message(self, text: str) -> None:
        """Send it after all earlier ones. Raises ConnectionClosed."""
        if self._up.end is not None:
            raise ConnectionClosed(self._up.end)
        self._last_arrives = max(self._last_arrives, trio.current_time() + self._delay())
        self._down.send(text, self._last_arrives)

    def begin_goodbye(self, end: Callable[[], None]) -> None:
        """Do nothing: nobody waits until the charger has read the close frame."""

    async def aclose(self, code: int = NORMAL, reason: str = "") -> None:
        self._down.close(code, reason)
        await trio.lowlevel.checkpoint()


def line(delay: Callable[[], float]) -> tuple[ChargerEnd, ServerEnd]:
    """Return both ends of a new line. `delay` draws the seconds that a text of the server takes."""
    up, down = Way(), Way()
    charger = ChargerEnd(up, down)
    return charger, ServerEnd(up, down, charger, delay)


def _ignore() -> None:
    """The default callback: no one has registered."""
