"""One charger's tasks: the mind, which advances time and sends, and the connection, which is opened
and read.

    mind         runs what is due on the charger, sends its next call, and times out responses; it
                 starts slow work (a file transfer, a late response, a ping) as tasks beside itself
    connection   connects and reconnects; passes responses and the central system's calls to the
                 charger

The charger itself never waits (levity_trio.simulator.charger); all waiting happens here. Chargers
act in simulated seconds. Network time-outs stay in real time, because the central system does not
get faster.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial
from math import inf, nextafter
from typing import Final
from urllib.parse import quote

import trio

from levity_trio.outgoing.websocket import (
    GONE,
    SEND_SECONDS,
    LineStream,
    Opened,
    ServerAddress,
    WebSocketConnection,
    open_websocket,
    why,
)
from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.state import ConnectionEffect, Download, Effect, Outgoing, Upload
from levity_trio.simulator.transfers import carry
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import (
    Call,
    Malformed,
    Response,
    call_text,
    decoded,
    error_text,
    parse_frame,
    result_text,
)

ANSWER_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 6.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Simulated time between connection attempts; in real time it is at least
SHORTEST_PAUSE_SECONDS."""
SHORTEST_PAUSE_SECONDS: Final = 0.1
Dial = Callable[[], Awaitable[trio.abc.Stream]]
Carry = Callable[[Download | Upload], Awaitable[bytes | None]]
Beside = Callable[[], Awaitable[object]]


class Pace:
    """Simulated seconds since this object was created, `speed` for each real second."""

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._began = trio.current_time()

    @property
    def now(self) -> float:
        return self._simulated(trio.current_time())

    def real(self, at: float) -> float:
        """Convert simulated time to trio's clock, rounding up: a waiter that wakes early would
        spin."""
        moment = self._began + at / self.speed
        while self._simulated(moment) < at:
            moment = nextafter(moment, inf)
        return moment

    async def sleep_until(self, at: float) -> None:
        await trio.sleep_until(self.real(at))

    def _simulated(self, moment: float) -> float:
        return (moment - self._began) * self.speed


@dataclass(slots=True, eq=False)
class Connection:
    """An open connection. Cancelling `talk` ends it with a close frame, cancelling `scope` without
    one."""

    websocket: WebSocketConnection
    stream: LineStream
    scope: trio.CancelScope
    talk: trio.CancelScope
    began: float
    """In simulated seconds."""
    is_deaf: bool = False
    """The charger sends nothing more on it."""


class Link:
    def __init__(
        self,
        charger: Charger,
        pace: Pace,
        server: ServerAddress,
        dial: Dial | None = None,
        carry: Carry = carry,
    ) -> None:
        self.charger = charger
        self.problem: str | None = None
        """Why the last connection failed or ended; None while connected."""
        self._pace = pace
        self._server = server
        self._dial = dial or server.dial
        self._carry = carry
        self._wake = trio.Event()
        """Wakes the mind."""
        self._wanted = trio.Event()
        """Wakes the connection task while disconnected. Each task replaces only its own event."""
        self._beside: list[Beside] = []
        """Tasks for the mind to start beside itself."""
        self._connection: Connection | None = None
        self._under_way: Outgoing | None = None
        """The call that waits for its response; its message id is that of the last frame sent."""
        self._deadline = inf
        """Until when it waits, by trio's clock."""
        self._sleeps_until = inf
        self._sent = 0
        self._away_until = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        charger.on_change = self._on_change

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as tasks:
            tasks.start_soon(self._stay_connected)
            while True:
                if self._wake.is_set():
                    self._wake = trio.Event()
                self.charger.advance(self._pace.now)
                for effect in self.charger.take_effects():
                    await self._carry_out(effect)
                beside, self._beside = self._beside, []
                for task in beside:
                    tasks.start_soon(task)
                if not await self._send_next():
                    await self._sleep()

    def _on_change(self) -> None:
        """The charger changed: wake the mind, but only if there is something to do."""
        if self._connection is None:
            self._wanted.set()
        if self.charger.has_work or self._next_moment() < self._sleeps_until:
            self._wake.set()

    def _start_beside(self, task: Beside) -> None:
        self._beside.append(task)
        self._wake.set()

    # The mind

    async def _sleep(self) -> None:
        """Wait until something is due or the charger changed."""
        self._sleeps_until = self._next_moment()
        with trio.move_on_at(self._sleeps_until):
            await self._wake.wait()
        if self._under_way is not None and self._deadline <= trio.current_time():
            self._settle(self._under_way, None)

    def _next_moment(self) -> float:
        """Return when the charger's next action is due or the open call times out, by trio's
        clock."""
        # then queued messages cannot be sent
        is_deaf = self._connection is not None and self._connection.is_deaf
        due = self.charger.agenda.next_due if is_deaf else self.charger.next_due
        return self._deadline if due is None else min(self._deadline, self._pace.real(due))

    def _settle(self, outgoing: Outgoing, answer: Response | None) -> None:
        self._under_way, self._deadline = None, inf
        self.charger.settle(outgoing, answer, self._pace.now)

    async def _send_next(self) -> bool:
        """Send the next call, if there is one and a connection for it. Return whether it was
        sent."""
        connection = self._connection
        if connection is None or connection.is_deaf:
            return False
        outgoing = self.charger.next_call(self._pace.now)
        if outgoing is None:
            return False
        first, self._sent = self._sent + 1, self._sent + len(outgoing.frames)
        self._under_way, self._deadline = outgoing, trio.current_time() + ANSWER_SECONDS
        for number, frame in enumerate(outgoing.frames, first):
            await self._send(connection, call_text(str(number), *frame))
        return True

    async def _send(self, connection: Connection, text: str) -> None:
        """Send a frame. An error is left to the reader of the connection, which meets it too."""
        self._keep("send", text)
        with suppress(*GONE):
            await connection.websocket.send_message(text)

    def _keep(self, direction: str, text: str) -> None:
        if self.charger.frames is not None:
            self.charger.frames.append((self._pace.now, direction, text))

    # Effects

    async def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Download | Upload):
            self._start_beside(partial(self._transfer, effect))
        elif isinstance(effect, ConnectionEffect):
            self._act_on_connection(effect)
        elif self._connection is not None and not self._connection.is_deaf:
            await self._send(self._connection, effect.text)

    async def _transfer(self, transfer: Download | Upload) -> None:
        content = await self._carry(transfer)
        transfer.then(content, self._pace.now)
        self._on_change()

    def _act_on_connection(self, effect: ConnectionEffect) -> None:
        """Freeze, half-close, close or drop the connection, and stay away for `effect.seconds`."""
        self._away_until = self._pace.now + effect.seconds
        connection = self._connection
        if connection is None:
            return
        if effect.kind == "close":
            connection.talk.cancel()
        elif effect.kind == "drop":
            connection.scope.cancel()
        else:
            connection.is_deaf = True
            self._start_beside(partial(self._drop_later, connection))
            if effect.kind == "freeze":
                connection.stream.freeze()
            else:
                self._start_beside(connection.stream.send_eof)

    async def _drop_later(self, connection: Connection) -> None:
        """Drop the connection later. The charger's agenda cannot: it pauses while a call waits for
        its response."""
        await self._pace.sleep_until(self._away_until)
        connection.scope.cancel()

    # The connection

    async def _stay_connected(self) -> None:
        """Connect whenever the charger wants it. The pause between attempts doubles until a
        connection lasts."""
        while True:
            while not self.charger.wants_link or self._pace.now < self._away_until:
                self._wanted = trio.Event()
                until = self._pace.real(self._away_until) if self.charger.wants_link else inf
                with trio.move_on_at(until):
                    await self._wanted.wait()
            await self._converse()
            seconds = self._pause_seconds
            self._pause_seconds = min(LONGEST_PAUSE_SECONDS, 2 * seconds)
            await trio.sleep(max(SHORTEST_PAUSE_SECONDS, seconds / self._pace.speed))

    async def _converse(self) -> None:
        """Open one connection and read from it until it ends."""
        try:
            async with (
                await self._open() as stream,
                self._open_websocket(stream) as (websocket, scope),
            ):
                connection = Connection(
                    websocket, stream, scope, trio.CancelScope(), self._pace.now
                )
                self.problem, self._connection = None, connection
                self.charger.connected(connection.began)
                if seconds := self.charger.configuration.integer("WebSocketPingInterval"):
                    self._start_beside(partial(self._ping, connection, seconds))
                with connection.talk:
                    await self._read(connection)
        except* GONE as gone:
            self.problem = why(gone)
        finally:
            ended, self._connection = self._connection, None
            self._under_way, self._deadline = None, inf
            if ended is not None:
                if self._pace.now - ended.began >= self._pause_seconds:
                    self._pause_seconds = FIRST_PAUSE_SECONDS
                self.charger.disconnected(self._pace.now)

    async def _open(self) -> LineStream:
        """Connect to the central system. A link in memory overrides this and the next."""
        return LineStream(await self._dial(), answers_pings=self.charger.quirks.answers_pings)

    def _open_websocket(self, stream: LineStream) -> AbstractAsyncContextManager[Opened]:
        return open_websocket(
            stream,
            self._server.authority,
            self._server.path + quote(self.charger.spec.id, safe=""),
            self._headers(),
            offers_subprotocol=self.charger.quirks.offers_subprotocol,
        )

    async def _ping(self, connection: Connection, seconds: int) -> None:
        """Ping the central system (WebSocketPingInterval, OCPP-J §5.3). Drop the connection if no
        pong comes."""
        while self._connection is connection and not connection.is_deaf:
            with trio.move_on_after(ANSWER_SECONDS) as patience, suppress(*GONE):
                await connection.websocket.ping()
            if (
                patience.cancelled_caught
                and self._connection is connection
                and not connection.is_deaf
            ):
                self.problem = "no pong received"
                connection.scope.cancel()
            await trio.sleep(seconds)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """Security profiles 1 and 2: the password is the bytes of the hexadecimal key (whitepaper
        A00.FR.205)."""
        key = self.charger.configuration.text("AuthorizationKey")
        if not key:
            return []
        try:
            password = bytes.fromhex(key)
        except ValueError:
            password = key.encode()
        credentials = self.charger.spec.id.encode() + b":" + password
        return [(b"Authorization", b"Basic " + b64encode(credentials))]

    async def _read(self, connection: Connection) -> None:
        while True:
            text, _ = decoded(await connection.websocket.get_message())
            self._keep("recv", text)
            frame = parse_frame(text, strict=True)
            if isinstance(frame, Call):
                await self._reply(connection, frame)
            elif isinstance(frame, Malformed):
                self.charger.tally.unreadable += 1
                if frame.answer is not None:  # it can be recognised as a call
                    await self._send(connection, frame.answer)
            elif self._under_way is not None and frame.message_id == str(self._sent):
                self._settle(self._under_way, frame)

    async def _reply(self, connection: Connection, request: Call) -> None:
        try:
            text = result_text(
                request.raw_id,
                self.charger.execute(request.action, request.payload, self._pace.now),
            )
        except Refused as refused:
            text = error_text(request.raw_id, refused.code, refused.description)
        for seconds, reply in self.charger.quirks.replies(text):
            if seconds:
                self._start_beside(partial(self._reply_late, connection, reply, seconds))
                continue
            # An accepted Reset may end this connection before its response is on the wire.
            with trio.move_on_after(2 * SEND_SECONDS, shield=True):
                await self._send(connection, reply)

    async def _reply_late(self, connection: Connection, text: str, seconds: float) -> None:
        await self._pace.sleep_until(self._pace.now + seconds)
        await self._send(connection, text)
