"""One charger's tasks: its mind, which lets time pass and sends, and its line, which connects and reads.

    mind   lets the charger do what is due, sends its next call, gives up answers that do not come
    line   connects, and again; hands answers and the central system's calls to the charger

The charger itself waits for nothing (levity_trio.simulator.charger); all waiting is here, and so is the only door to
trio-websocket.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream
from wsproto.utilities import ProtocolError

from levity_trio.simulator.charger.charger import Charger
from levity_trio.simulator.charger.effects import Download, Effect, Hang, Upload
from levity_trio.simulator.charger.speaking import Answer, Outgoing
from levity_trio.simulator.line_stream import LineStream
from levity_trio.simulator.pace import Pace
from levity_trio.simulator.transfers import carry
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import Call, Malformed, call_text, error_text, parse_frame, result_text

ANSWER_SECONDS: Final = 30.0
HANDSHAKE_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Simulated, between two attempts to connect; and really at least SHORTEST_PAUSE_SECONDS."""
SHORTEST_PAUSE_SECONDS: Final = 0.1
SUBPROTOCOL: Final = "ocpp1.6"
MAX_MESSAGE_CHARACTERS: Final = 1024 * 1024
GONE: Final = (
    *(ConnectionClosed, HandshakeError, ConnectionRejected, ProtocolError, OSError),
    *(trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError),
)

Dial = Callable[[], Awaitable[trio.abc.Stream]]


@dataclass(frozen=True, slots=True)
class Door:
    """Where the central system is: `path` is what stands before the charger's id."""

    host: str
    port: int
    path: str
    is_tls: bool

    async def dial(self) -> trio.abc.Stream:
        """Raises OSError."""
        stream = await trio.open_tcp_stream(self.host, self.port)
        if not self.is_tls:
            return stream
        return trio.SSLStream(stream, ssl.create_default_context(), server_hostname=self.host, https_compatible=True)


def door(url: str) -> Door:
    """Read `ws://host:port/ws/`. Raises ValueError with a line that says what to give."""
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ValueError("give an address such as ws://localhost:9000/ws/")
    is_tls = parts.scheme == "wss"
    return Door(parts.hostname, parts.port or (443 if is_tls else 80), parts.path.rstrip("/") + "/", is_tls)


@dataclass(slots=True)
class UnderWay:
    """The call that waits for its answer, and until when, by trio's clock."""

    message_id: str
    outgoing: Outgoing
    deadline: float


class Link:
    """The tasks of one charger."""

    __slots__ = (
        *("charger", "problem", "_away_until", "_dial", "_door", "_is_deaf", "_news", "_pace", "_scope", "_sent"),
        *("_stream", "_under_way", "_websocket"),
    )

    def __init__(self, charger: Charger, pace: Pace, to: Door, dial: Dial | None = None) -> None:
        self.charger = charger
        self.problem: str | None = None
        """Why it is not connected, as far as it knows."""
        self._pace = pace
        self._door = to
        self._dial = dial or to.dial
        self._news = trio.Event()
        self._websocket: WebSocketConnection | None = None
        self._stream: trio.abc.Stream | None = None
        self._scope: trio.CancelScope | None = None
        self._under_way: UnderWay | None = None
        self._sent = 0
        self._away_until = 0.0
        self._is_deaf = False
        charger.on_news = self._tell_news

    async def run(self) -> None:
        """Live until cancelled."""
        async with trio.open_nursery() as tasks:
            tasks.start_soon(self._mind, tasks)
            while True:
                await self._wait_for_wish()
                await self._converse(tasks)
                await self._pause()

    def _tell_news(self) -> None:
        self._news.set()

    # The mind

    async def _mind(self, tasks: trio.Nursery) -> None:
        while True:
            if self._news.is_set():
                self._news = trio.Event()
            self.charger.advance(self._pace.now)
            for effect in self.charger.take_effects():
                await self._carry_out(effect, tasks)
            if not await self._send_next():
                with trio.move_on_at(self._next_moment()):
                    await self._news.wait()
                self._give_up()

    def _next_moment(self) -> float:
        """When something is due, or an answer has not come in time."""
        due = self.charger.next_due
        answer = trio.current_time() + ANSWER_SECONDS if self._under_way is None else self._under_way.deadline
        return answer if due is None else min(answer, self._pace.real(due))

    def _give_up(self) -> None:
        under_way = self._under_way
        if under_way is not None and under_way.deadline <= trio.current_time():
            self._settle(under_way, None)

    def _settle(self, under_way: UnderWay, answer: Answer) -> None:
        self._under_way = None
        self.charger.settle(under_way.outgoing, answer, self._pace.now)

    async def _send_next(self) -> bool:
        """Send the next call, if there is one and somebody to send it to."""
        websocket = self._websocket
        if websocket is None or self._is_deaf:
            return False
        outgoing = self.charger.next_call(self._pace.now)
        if outgoing is None:
            return False
        texts = [(message_id := self._next_id(), call_text(message_id, *frame)) for frame in outgoing.frames]
        self._under_way = UnderWay(texts[-1][0], outgoing, trio.current_time() + ANSWER_SECONDS)
        for _, text in texts:
            await self._send(websocket, text)
        return True

    async def _send(self, websocket: WebSocketConnection, text: str) -> None:
        """Send a frame whole; whatever goes wrong, the line finds out by itself."""
        self._keep("send", text)
        with trio.move_on_after(ANSWER_SECONDS, shield=True) as scope:
            try:
                await websocket.send_message(text)
            except GONE:
                return
        if scope.cancelled_caught:
            self._hang_up()

    def _next_id(self) -> str:
        self._sent += 1
        return str(self._sent)

    def _keep(self, direction: str, text: str) -> None:
        if self.charger.frames is not None:
            self.charger.frames.append((self._pace.now, direction, text))

    # Effects

    async def _carry_out(self, effect: Effect, tasks: trio.Nursery) -> None:
        if isinstance(effect, Download | Upload):
            tasks.start_soon(self._transfer, effect)
        elif isinstance(effect, Hang):
            await self._hang(effect, tasks)
        elif self._websocket is not None and not self._is_deaf:
            await self._send(self._websocket, effect.text)

    async def _transfer(self, transfer: Download | Upload) -> None:
        content = await carry(transfer)
        transfer.then(content, self._pace.now)
        self._tell_news()

    async def _hang(self, how: Hang, tasks: trio.Nursery) -> None:
        """Treat the connection badly, or end it; a next one comes when the time is over."""
        self._away_until = self._pace.now + how.seconds
        if self._websocket is None:
            return
        if how.kind == "close":
            with trio.move_on_after(GOODBYE_SECONDS):
                await self._websocket.aclose(1000)
        if how.kind in ("close", "drop"):
            self._hang_up()
        elif isinstance(self._stream, LineStream):
            self._is_deaf = True
            tasks.start_soon(self._hang_up_later, self._scope)
            if how.kind == "freeze":
                self._stream.freeze()
            else:
                await self._stream.send_eof()

    async def _hang_up_later(self, scope: trio.CancelScope | None) -> None:
        """Not on the charger's agenda: that stands still while a question is open that nobody will answer."""
        await self._pace.sleep_until(self._away_until)
        if scope is not None and scope is self._scope:
            self._hang_up()

    def _hang_up(self) -> None:
        """End the connection without a word."""
        if self._scope is not None:
            self._scope.cancel()

    # The line

    async def _wait_for_wish(self) -> None:
        await self._pace.sleep_until(self._away_until)
        while not self.charger.wants_link:
            await self._news.wait()

    async def _pause(self) -> None:
        """Between two attempts; longer while nobody is there."""
        seconds = LONGEST_PAUSE_SECONDS if self.problem else LONGEST_PAUSE_SECONDS / 10
        await trio.sleep(max(SHORTEST_PAUSE_SECONDS, seconds / self._pace.speed))

    async def _converse(self, tasks: trio.Nursery) -> None:
        """One connection, from its first byte to its last."""
        self.problem = None
        try:
            async with await self._open() as self._stream, trio.open_nursery() as library:
                self._scope = library.cancel_scope
                self._websocket = await self._shake_hands(library)
                self.charger.connected(self._pace.now)
                await self._read(self._websocket, tasks)
                library.cancel_scope.cancel()
        except* GONE as gone:
            self.problem = _why(gone)
        finally:
            self._forget()

    def _forget(self) -> None:
        was_connected = self._websocket is not None
        under_way, self._under_way = self._under_way, None
        self._websocket = self._stream = self._scope = None
        self._is_deaf = False
        if under_way is not None:
            self.charger.lost(under_way.outgoing, self._pace.now)
        if was_connected:
            self.charger.disconnected(self._pace.now)

    async def _open(self) -> trio.abc.Stream:
        stream = await self._dial()
        return LineStream(stream, bears_pings=self.charger.quirks.bears_pings) if self.charger.spec.quirks else stream

    async def _shake_hands(self, library: trio.Nursery) -> WebSocketConnection:
        subprotocols = [SUBPROTOCOL] if self.charger.quirks.offers_subprotocol else None
        with trio.fail_after(HANDSHAKE_SECONDS):
            return await wrap_client_stream(
                library,
                self._stream,  # type: ignore[arg-type]  # annotated for sockets, made for any stream
                f"{self._door.host}:{self._door.port}",
                self._door.path + quote(self.charger.spec.id, safe=""),
                subprotocols=subprotocols,
                extra_headers=self._headers(),
                max_message_size=MAX_MESSAGE_CHARACTERS,
            )

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """Security profiles 1 and 2: the bytes of the key, not its digits (whitepaper A00.FR.205)."""
        key = self.charger.configuration.text("AuthorizationKey")
        if not key:
            return []
        name = self.charger.spec.id.encode()
        return [(b"Authorization", b"Basic " + b64encode(name + b":" + _password(key)))]

    async def _read(self, websocket: WebSocketConnection, tasks: trio.Nursery) -> None:
        while True:
            text = await websocket.get_message()
            self._keep("recv", text if isinstance(text, str) else text.decode(errors="replace"))
            frame = parse_frame(text)
            if isinstance(frame, Call):
                await self._reply(websocket, frame, tasks)
            elif isinstance(frame, Malformed):
                self.charger.tally.unreadable += 1
            elif self._under_way is not None and self._under_way.message_id == frame.message_id:
                self._settle(self._under_way, frame)

    async def _reply(self, websocket: WebSocketConnection, asked: Call, tasks: trio.Nursery) -> None:
        try:
            text = result_text(asked.raw_id, self.charger.answer(asked.action, asked.payload, self._pace.now))
        except Refused as refused:
            text = error_text(asked.raw_id, refused.code, refused.description)
        for seconds, reply in self.charger.quirks.replies(text):
            if seconds:
                tasks.start_soon(self._reply_late, websocket, reply, seconds)
            else:
                await self._send(websocket, reply)

    async def _reply_late(self, websocket: WebSocketConnection, text: str, seconds: float) -> None:
        await self._pace.sleep_until(self._pace.now + seconds)
        await self._send(websocket, text)


def _password(key: str) -> bytes:
    try:
        return bytes.fromhex(key)
    except ValueError:
        return key.encode()


def _why(gone: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = gone
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ConnectionRejected):
        return f"refused: HTTP {error.status_code}"
    if isinstance(error, ConnectionClosed) and error.reason is not None:
        return f"closed: {error.reason.code} {error.reason.reason or ''}".strip()
    return str(error) or type(error).__name__
