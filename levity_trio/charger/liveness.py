"""Whether a charger is alive: its heartbeat interval, the watchdog, and our pings.

Any byte from the charger is a sign of life (OCPP-J §5.3). Three heartbeat intervals without one end the session.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from levity_trio.charger.pings import Pings
from levity_trio.charger.stream import ChargerStream
from levity_trio.charger.websocket import WebSocketConnection
from levity_trio.config import ServerConfig
from levity_trio.store.writes.pings import PingOutcome

SILENT_INTERVALS: Final = 3


class Liveness:
    """The watch over one connection. `watch` is a task of its session."""

    __slots__ = ("_pings", "_stream", "_watching", "heartbeat_interval")

    def __init__(self, config: ServerConfig, stream: ChargerStream, websocket: WebSocketConnection) -> None:
        self.heartbeat_interval = config.heartbeat_interval_seconds
        self._stream = stream
        self._pings = Pings(websocket, stream, config.websocket_ping_seconds or math.inf)
        self._watching = trio.CancelScope()

    @property
    def answers_pings(self) -> bool:
        """Whether the charger answers our pings on this connection."""
        return self._pings.are_answered

    @property
    def ping_outcome(self) -> PingOutcome | None:
        """How the charger reacted to pings, None if that is unknown."""
        return self._pings.outcome

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last byte from the charger."""
        return trio.current_time() - self._stream.last_received

    @property
    def patience_seconds(self) -> int:
        """The longest silence, in seconds."""
        return SILENT_INTERVALS * self.heartbeat_interval

    def set_heartbeat_interval(self, seconds: int) -> None:
        """Use this heartbeat interval, in seconds."""
        if seconds != self.heartbeat_interval:
            self.heartbeat_interval = seconds
            self._watching.cancel()  # so that it computes a new deadline, which may be earlier

    async def watch(
        self, tasks: trio.Nursery, are_pings_off: Callable[[], Awaitable[bool]], end: Callable[[str], None]
    ) -> None:
        """Ping, and call `end` with the reason when the charger has been silent for too long.

        Each ping that waits for its pong is one of the `tasks`; a task for all pings would cost 3 KB for each charger.
        """
        while (deadline := self._stream.last_received + self.patience_seconds) > trio.current_time():
            if self._pings.take_due():
                tasks.start_soon(self._ping, are_pings_off)
            with trio.move_on_at(min(deadline, self._pings.next_at)) as self._watching:
                await trio.sleep_forever()
        end(f"silent for {self.patience_seconds} s")

    async def _ping(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        await self._pings.send(are_off)
        self._watching.cancel()  # because the next one is due earlier than what it waits for
