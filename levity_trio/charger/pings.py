"""The WebSocket pings of one connection: they keep its path through routers open while few frames are sent.

Nothing depends on them: any byte from the charger shows that it is alive, and some chargers cannot handle pings.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from levity_trio.charger.stream import ChargerStream
from levity_trio.charger.websocket import ConnectionClosed, WebSocketConnection
from levity_trio.store.writes.pings import PingOutcome

CLOSING_SECONDS: Final = 5.0
"""A charger that closes its connection within this time after a ping is taken to have closed it because of the ping."""


class Pings:
    """The pings of one connection. Its watchdog sends each one when it is due."""

    __slots__ = ("_interval", "_pinged_at", "_stream", "_was_answered", "_websocket", "next_at")

    def __init__(self, websocket: WebSocketConnection, stream: ChargerStream, interval_seconds: float) -> None:
        self._websocket = websocket
        self._stream = stream
        self._interval = interval_seconds
        self._pinged_at = math.inf
        """When the outstanding ping was sent, infinity if none is outstanding."""
        self._was_answered = False
        self.next_at = trio.current_time() + interval_seconds
        """When the next ping is due, infinity while one is outstanding, or if there will be no more."""

    @property
    def are_answered(self) -> bool:
        """Whether the charger answers pings, so that silence means that it is gone.

        False again when a ping stays unanswered while other bytes arrive.
        """
        return self._was_answered and self._stream.last_received <= self._pinged_at + self._interval

    @property
    def outcome(self) -> PingOutcome | None:
        """How the charger reacted to pings.

        None if that is unknown: no ping was sent, or the connection ended for another reason soon after one.
        """
        if self._was_answered:
            return PingOutcome.ANSWERED
        if self._stream.left_at <= self._pinged_at + CLOSING_SECONDS < math.inf:
            return PingOutcome.CLOSED
        return PingOutcome.BORNE if trio.current_time() > self._pinged_at + CLOSING_SECONDS else None

    def take_due(self) -> bool:
        """Return whether a ping is due; the caller then calls `send`."""
        is_due = self.next_at <= trio.current_time()
        if is_due:
            self.next_at = math.inf
        return is_due

    async def send(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        """Send a ping, unless `are_off` is true before the first one, and wait for its pong.

        The next one is due an interval later. A missing pong stops the pings: some chargers send none, and the library
        keeps every unanswered ping in memory.
        """
        if not self._was_answered and await are_off():
            return
        self._pinged_at = trio.current_time()
        with suppress(ConnectionClosed):
            await self._websocket.ping()
            self._pinged_at, self._was_answered = math.inf, True
            self.next_at = trio.current_time() + self._interval
