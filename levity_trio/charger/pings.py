"""The WebSocket pings of one connection: they keep the way through routers open between frames that are far apart.

Nothing depends on them: any byte of the charger is life, and some chargers cannot bear pings.
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
"""A charger that closes its connection within so long after a ping does so because of it."""


class Pings:
    """Made for one connection; `run` is a task of its session."""

    __slots__ = ("_interval", "_pinged_at", "_stream", "_was_answered", "_websocket")

    def __init__(self, websocket: WebSocketConnection, stream: ChargerStream, interval_seconds: float) -> None:
        self._websocket = websocket
        self._stream = stream
        self._interval = interval_seconds
        self._pinged_at = math.inf
        """When the ping was sent that was not answered yet."""
        self._was_answered = False

    @property
    def are_answered(self) -> bool:
        """Whether one was, and the last one, unless nothing else came since: then silence means that it is gone."""
        return self._was_answered and self._stream.last_received <= self._pinged_at + self._interval

    @property
    def outcome(self) -> PingOutcome | None:
        """What became of them; None where that cannot be told: none was sent, or the connection ended by something
        else too soon after."""
        if self._was_answered:
            return PingOutcome.ANSWERED
        if self._stream.left_at <= self._pinged_at + CLOSING_SECONDS < math.inf:
            return PingOutcome.CLOSED
        return PingOutcome.BORNE if trio.current_time() > self._pinged_at + CLOSING_SECONDS else None

    async def run(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        """Ping now and then, until the connection is closed. `are_off` is asked before the first ping.

        The next ping waits for the pong of the last; where none comes, it was the last: some chargers know no pong,
        and the library remembers each ping that was not answered.
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
