"""Whether a charger is alive: its heartbeat interval, the watchdog, and our pings.

Any byte from the charger is a sign of life (OCPP-J §5.3). Three heartbeat intervals without one end
the session.

Some chargers keep a longer interval of their own, whatever they are told, and answer no ping. When
the server closes such a connection for silence, the charger answers the close frame, which shows
that it was alive. From then on this silence counts as its interval: the next connection may be
silent for three times as long. After some connections that is longer than the real interval, and
its heartbeats are seen, which show it.

Pings keep the path of a connection through routers open while few frames are sent. Nothing depends
on them: some chargers cannot handle pings.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from levity_trio.charger.stream import ChargerStream, ConnectionClosed, WebSocketConnection
from levity_trio.config import ServerConfig
from levity_trio.log.output import get_logger
from levity_trio.store.writes.chargers.sessions import PingOutcome

SILENT_INTERVALS: Final = 3
LONGEST_KEPT_SECONDS: Final = 86_400
"""A longer interval is not learned, so that a connection that is dead is closed after three days at
the latest."""
SAME_INTERVAL: Final = 0.05
"""The share by which two intervals between heartbeats may differ."""
CLOSING_SECONDS: Final = 5.0
"""A charger that closes its connection within this time after a ping is taken to have closed it
because of the ping."""

log = get_logger("ws")


class Pings:
    """The pings of one connection. Its watchdog sends each one when it is due."""

    __slots__ = ("_interval", "_pinged_at", "_stream", "_was_answered", "_websocket", "next_at")

    def __init__(
        self, websocket: WebSocketConnection, stream: ChargerStream, interval_seconds: float
    ) -> None:
        self._websocket = websocket
        self._stream = stream
        self._interval = interval_seconds
        self._pinged_at = math.inf
        """The time at which the outstanding ping was sent; infinity if none is outstanding."""
        self._was_answered = False
        self.next_at = trio.current_time() + interval_seconds
        """The time of the next ping; infinity while one is outstanding, or if there will be no
        more."""

    @property
    def are_answered(self) -> bool:
        """Whether the charger answers pings, so that silence means that it is gone.

        False again when a ping stays unanswered while other bytes arrive.
        """
        return self._was_answered and self._stream.last_received <= self._pinged_at + self._interval

    @property
    def outcome(self) -> PingOutcome | None:
        """How the charger reacted to pings.

        None if that is unknown: no ping was sent, or the connection ended for another reason soon
        after one.
        """
        if self._was_answered:
            return PingOutcome.ANSWERED
        if self._stream.left_at <= self._pinged_at + CLOSING_SECONDS < math.inf:
            return PingOutcome.CLOSED
        if trio.current_time() > self._pinged_at + CLOSING_SECONDS:
            return PingOutcome.BORNE
        return None

    async def send(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        """Send a ping, unless `are_off` is true before the first one, and wait for its pong.

        The next one is due an interval later. A missing pong stops the pings: some chargers send
        none, and the library keeps every unanswered ping in memory.
        """
        if not self._was_answered and await are_off():
            return
        self._pinged_at = trio.current_time()
        with suppress(ConnectionClosed):
            await self._websocket.ping()
            self._pinged_at, self._was_answered = math.inf, True
            self.next_at = trio.current_time() + self._interval


class Liveness:
    """The watch over one connection. `watch` is a task of its session."""

    __slots__ = (
        "_beat_at",
        "_gave_up",
        "_last_gap",
        "_stream",
        "_watching",
        "heartbeat_interval",
        "kept_interval",
        "outlived_seconds",
        "pings",
    )

    def __init__(
        self, config: ServerConfig, stream: ChargerStream, websocket: WebSocketConnection
    ) -> None:
        self.heartbeat_interval = config.heartbeat_interval_seconds
        """The interval that was last sent to the charger or reported by it, in seconds."""
        self.kept_interval = 0
        """The longer interval that it keeps all the same, 0 if none is known."""
        self.outlived_seconds: int | None = None
        """The seconds for which the charger was silent and yet alive, if its connection was closed
        for that."""
        self._gave_up = False
        """Whether the watchdog has closed the connection for silence."""
        self._beat_at = math.inf
        """The time of the last heartbeat, if no other CALL has come since."""
        self._last_gap = math.inf
        """The seconds between the two heartbeats before."""
        self._stream = stream
        self.pings = Pings(websocket, stream, config.websocket_ping_seconds or math.inf)
        self._watching = trio.CancelScope()
        """The scope in which the watchdog sleeps. Whoever changes its deadline cancels it."""

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last byte from the charger."""
        return trio.current_time() - self._heard_at

    @property
    def patience_seconds(self) -> int:
        """The longest silence, in seconds."""
        return SILENT_INTERVALS * max(self.heartbeat_interval, self.kept_interval)

    def set_heartbeat_interval(self, seconds: int | None, kept: int | None = None) -> None:
        """Use this heartbeat interval, in seconds, and the one that the charger keeps; None if it
        is not known."""
        before = self.patience_seconds
        self.heartbeat_interval = seconds or self.heartbeat_interval
        if kept is not None:
            self.kept_interval = kept
        if self.patience_seconds != before:
            # The watchdog sleeps until a deadline that may be earlier now.
            self._watching.cancel()

    def heard(self, *, is_heartbeat: bool) -> int | None:
        """Note a CALL of the charger; return the interval that it keeps, if that has just become
        known, 0 for none.

        Two intervals in a row between heartbeats, without another CALL between, show it.
        """
        now = trio.current_time()
        gap = now - self._beat_at
        self._beat_at = now if is_heartbeat else math.inf
        if not is_heartbeat or gap < 1:
            return None
        before, self._last_gap = self._last_gap, gap
        if not _is_same(before, gap):
            return None

        # A shorter one than it was told needs no patience.
        kept = 0
        if gap > self.heartbeat_interval and not _is_same(gap, self.heartbeat_interval):
            kept = round(gap)
        if kept == self.kept_interval or (kept and _is_same(kept, self.kept_interval)):
            return None
        return self._learn(min(kept, LONGEST_KEPT_SECONDS))

    def note_answered_goodbye(self) -> None:
        """Note that the charger answered when its connection was closed, if it did: a reset is no
        answer, because a router may send it for a charger that is gone."""
        has_answered = self._gave_up and self.silent_seconds < self.patience_seconds
        if has_answered and self.pings.outcome is not PingOutcome.ANSWERED:
            self.outlived_seconds = self._learn(min(self.patience_seconds, LONGEST_KEPT_SECONDS))

    def _learn(self, kept: int) -> int:
        log.info(
            "heartbeat interval learned", told_seconds=self.heartbeat_interval, kept_seconds=kept
        )
        self.set_heartbeat_interval(None, kept)
        return kept

    async def watch(
        self,
        tasks: trio.Nursery,
        are_pings_off: Callable[[], Awaitable[bool]],
        end: Callable[[str], None],
    ) -> None:
        """Ping, and call `end` with the reason when the charger has been silent for too long.

        Each ping that waits for its pong is one of the `tasks`; a task for all pings would cost
        3 KB for each charger.
        """
        while self._deadline > trio.current_time():
            if self.pings.next_at <= trio.current_time():
                self.pings.next_at = math.inf
                tasks.start_soon(self._ping, are_pings_off)
            # Bytes that arrive move the deadline, but wake nobody: it is looked at when it is due.
            with trio.move_on_at(min(self._deadline, self.pings.next_at)) as self._watching:
                await trio.sleep_forever()
        self._gave_up = True
        end(f"silent for {self.patience_seconds} s")

    @property
    def _deadline(self) -> float:
        return self._heard_at + self.patience_seconds

    @property
    def _heard_at(self) -> float:
        return trio.current_time() if self._stream.is_held else self._stream.last_received

    async def _ping(self, are_off: Callable[[], Awaitable[bool]]) -> None:
        await self.pings.send(are_off)
        # The next one is due earlier than what the watchdog waits for.
        self._watching.cancel()


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_INTERVAL * max(one, other) < math.inf
