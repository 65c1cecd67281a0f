"""The WebSocket pings of one connection: they keep its path through routers open while few frames are sent.

Nothing depends on them: any byte from the charger shows that it is alive, and some chargers cannot handle pings.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from levity_trio.charger.stream import ChargerStream
from levity_trio.charger.websocket import ConnectionClosed, WebSocketConnection
from levity_trio.store.writes.pings import PingOutcome

CLOSING_SECONDS: Final = 5.0
"""A charger that closes its connection within this time after a ping is taken to have closed it because of the ping."""


class Pings:
    """The pings of one connection; `run` is a task of its session."""

    __slots__ = ("_interval", "_pinged_at", "_stream", "_was_answered", "_websocket")

    def __init__(self, websocket: WebSocketConnection, stream: ChargerStream, interval_seconds: float) -> None:
        self._websocket = websocket
        self._stream = stream
        self._interval = interval_seconds
        self._pinged_at = math.inf
        """When the outstanding ping was sent, infinity if none is outstanding."""
        self._was_answered = False

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

    async def run(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        """Send a ping every interval until the connection is closed, unless `are_off` is true before the first one.

        Each ping waits for the pong of the one before. A missing pong stops the pings: some chargers send none, and
        the library keeps every unanswered ping in memory.
        """
        await trio.sleep(self._interval)
        if await are_off():
            return
        while self._websocket.closed is None:
            self._pinged_at = trio.current_time()
            try:
                await self._websocket.ping()
            except ConnectionClosed:
                return
            self._pinged_at, self._was_answered = math.inf, True
            await trio.sleep(self._interval)
