"""One charger's session: one nursery, in it a reader, a worker, a watchdog and our pings.

    websocket → reader → inbox → worker → handler → writer, then the answer
                      ↘ answers to our own calls

The reader never runs a handler: one that called the charger would wait for an answer that only the reader can deliver.
When the peer leaves, the reader closes the inbox and the worker ends after what was received; when we end the session
(a newer connection, silence, the server's stop) its scope is cancelled and the peer is told why.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVarTuple

import trio

from levity_trio.charger.calls import Calls
from levity_trio.charger.central import Central
from levity_trio.charger.exchange import Exchange, answer, check_call
from levity_trio.charger.handlers import HANDLERS
from levity_trio.charger.inbox import INBOX_CALLS, Inbox
from levity_trio.charger.pings import Pings
from levity_trio.charger.registry import Visitor
from levity_trio.charger.stream import GOODBYE_SECONDS, ChargerStream
from levity_trio.charger.transcript import Transcript
from levity_trio.charger.websocket import CloseCode, ConnectionClosed, WebSocketConnection
from levity_trio.events import MalformedFrame
from levity_trio.log_output import get_logger
from levity_trio.store.faults import RateExceeded, StoreUnavailable
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import pings, rates, sessions
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.set_aside import count_faults
from levity_trio.wire.errors import NoRoom, Refused
from levity_trio.wire.frames import Call, Malformed, decoded, error_text, parse_frame
from levity_trio.wire.repair import Repair, not_utf8
from levity_trio.wire.secrets import has_url, masked_frame, masked_value
from levity_trio.wire.texts import cut
from levity_trio.wire.times import stamp

MAX_MALFORMED_FRAMES: Final = 100
"""So many in a row are no charger."""
SILENT_INTERVALS: Final = 3
REFUSAL_SECONDS: Final = 30.0
LONG_SECONDS: Final = 0.01
"""To read a message: only one of hundreds of kilobytes takes longer, and the loop does nothing else meanwhile."""

Ts = TypeVarTuple("Ts")

frames_log = get_logger("ocpp")
log = get_logger("ws")


def _log_frame(direction: str, told: str) -> None:
    if frames_log.is_enabled_for(logging.DEBUG):
        frames_log.debug("frame", dir=direction, msg=told)


class Closing(NamedTuple):
    """Why a connection ends: a close code of RFC 6455 §7.4 and words."""

    code: int
    reason: str


STOPPING: Final = Closing(CloseCode.GOING_AWAY, sessions.STOPPING)


class Received(NamedTuple):
    """A CALL in the inbox: its frame, masked, and when it came, also as the database spells it."""

    text: str
    call: Call
    at: datetime
    received_at: str
    repairs: tuple[Repair, ...]
    """What was mended of the frame itself."""


Waiting = Received | Malformed
"""What waits in the inbox, so that all is answered in its order: a CALL, or what was none but has an answer."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected, as the handshake told it."""

    charger: str
    remote_address: str
    target: str
    subprotocol: str | None
    connected_at: datetime


class Session:
    """A connection of one charger, from its accepted handshake to its end."""

    __slots__ = (
        *("calls", "central", "charger", "heartbeat_interval", "may_be_called", "transcript"),
        *("_beginning", "_closing", "_faults", "_number", "_peer", "_pings", "_row", "_stream"),
        *("_malformed", "_watching", "_websocket", "visitor"),
    )

    def __init__(
        self,
        central: Central,
        peer: Peer,
        stream: ChargerStream,
        websocket: WebSocketConnection,
        visitor: Visitor,
    ) -> None:
        self.central = central
        self.charger = peer.charger
        self.visitor = visitor
        self.heartbeat_interval = central.config.heartbeat_interval_seconds
        self.may_be_called = trio.Event()
        self.calls = Calls(self, central.config, central.writer, central.clock, central.hooks.observe)
        self.transcript = Transcript(peer.charger, central.clock, central.writer.log_frame)
        self._peer = peer
        self._stream = stream
        self._websocket = websocket
        self._closing: Closing | None = None
        self._pings = Pings(websocket, stream, central.config.websocket_ping_seconds or math.inf)
        self._number = next(central.connection_numbers)
        self._row: int | None = None
        self._beginning = trio.Lock()
        self._malformed = 0
        self._faults: dict[str, int] = {}
        self._watching = trio.CancelScope()
        stream.on_overflow = self._end_too_large
        stream.account.on_refused = self._end_without_memory

    def __repr__(self) -> str:
        return f"<Session charger={self.charger!r} row={self._row} closing={self._closing}>"

    @property
    def has_spoken(self) -> bool:
        """Whether a valid CALL came, so that it has its row."""
        return self._row is not None

    @property
    def answers_pings(self) -> bool:
        """Whether it answers our pings on this connection."""
        return self._pings.are_answered

    @property
    def silent_seconds(self) -> float:
        """Since the last byte of the charger."""
        return trio.current_time() - self._stream.last_received

    def tell_interval(self, seconds: int) -> None:
        """The charger was told or has reported this heartbeat interval: three without a byte end the session."""
        if seconds != self.heartbeat_interval:
            self.heartbeat_interval = seconds
            self._watching.cancel()  # it looks again; the interval may be shorter than the last

    def end(self, code: int, reason: str) -> None:
        """End this session from our side; the first reason given is the one that the peer is told."""
        self._closing = self._closing or Closing(code, reason)
        self.visitor.scope.cancel()

    async def converse(self) -> None:
        """Talk until the peer leaves or the session is ended."""
        inbox = Inbox[tuple[Waiting, int]]()
        try:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(self._read, inbox)
                tasks.start_soon(self._watch)
                tasks.start_soon(self._pings.run, self._are_pings_off)
                for plugin in self.central.hooks.companions:
                    tasks.start_soon(self.central.hooks.accompany, plugin, self)
                await self._work(inbox)
                tasks.cancel_scope.cancel()
        finally:
            self.calls.close()

    async def say_goodbye(self) -> None:
        """Tell the peer why, if it is still there, and close the connection."""
        self._closing = self._closing or self._closed_by_peer() or STOPPING
        self._stream.send_seconds = GOODBYE_SECONDS
        with trio.move_on_after(GOODBYE_SECONDS) as patience:
            self._stream.begin_goodbye(patience.cancel)
            await self._websocket.aclose(*self._closing)

    async def record_end(self) -> None:
        """Store how it ended; only the charger's present session takes it offline."""
        is_current = self.central.registry.remove(self)
        closing = self._closing or Closing(CloseCode.INTERNAL_ERROR, "the connection failed")
        if self._row is None:  # else there is the line of ChargerDisconnected
            log.info("left without a valid message", remote_address=self._peer.remote_address, reason=closing.reason)
        self.transcript.disconnected(*closing)
        central, at = self.central, stamp(self.central.clock())
        ending = sessions.Ending(self.charger, central.run, self._number, at, *closing)
        await self._hand_in(sessions.end, ending, is_current)
        if self._faults and self._row is not None:
            await self._hand_in(count_faults, self.origin(), self._faults)
        if (outcome := self._pings.outcome) is not None:
            await self._hand_in(pings.note, ending, outcome)

    async def _hand_in(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        """However long the database refuses: a session without its end would count as connected."""
        while True:
            with suppress(StoreUnavailable):
                await self.central.writer.hand_in(write, *args)
                return

    async def begin(self) -> Origin:
        """Give the session its row, once: with the first valid CALL, or with our first own.

        Raises:
            NoRoom: the session is ending.
        """
        async with self._beginning:
            if self._row is None:
                await self._begin()
        return self.origin()

    def origin(self, received_at: str | None = None) -> Origin:
        """Where a row comes from that is written now."""
        if self._row is None:
            raise RuntimeError("the session has no row yet")
        return Origin(self.charger, self._row, received_at or stamp(self.central.clock()))

    async def call(self, request: Any, timeout_seconds: float | None = None) -> Any:
        """Send a CALL of ours, as Calls.call."""
        return await self.calls.call(request, timeout_seconds)

    async def send(self, text: str, message_id: str | None, action: str | None) -> None:
        """Send one frame: a CALL, or the answer to the one with this id and action. Raises ConnectionClosed."""
        await self._websocket.send_message(text)
        told = masked_frame(text)
        _log_frame("send", told)
        self.transcript.sent(told, message_id, action)

    async def _read(self, inbox: Inbox[tuple[Waiting, int]]) -> None:
        try:
            while True:  # nothing of a message is held while waiting for the next
                await self._take(inbox, await self._websocket.get_message())
        except trio.TooSlowError:
            self.end(CloseCode.POLICY_VIOLATION, f"{INBOX_CALLS} calls wait without progress")
        except ConnectionClosed:
            inbox.close()

    async def _take(self, inbox: Inbox[tuple[Waiting, int]], message: str | bytes) -> None:
        charge = self._stream.account.next_charge()
        at, began = self.central.clock(), trio.current_time()
        text, is_utf8 = decoded(message)
        frame, told, received_at = parse_frame(text), masked_frame(text), stamp(at)
        if (cost := trio.current_time() - began) > LONG_SECONDS:
            await trio.sleep(cost)  # as long as all others had to wait
        _log_frame("recv", told)
        if isinstance(frame, Call):
            self._malformed = 0
            if self._row is None:
                self.transcript.hold()
            self.transcript.received(received_at, told, frame.raw_id, frame.action)
            repairs = () if is_utf8 else (not_utf8(told),)
            await inbox.put((Received(told, frame, at, received_at, repairs), charge))
            return
        if isinstance(frame, Malformed):
            self.transcript.received(received_at, told, frame.raw_id, None)
            self._count(frame.kind)
            if frame.answer is not None:
                await inbox.put((frame, charge))
                return
        else:
            self.transcript.received(received_at, told, frame.message_id, self.calls.action_of(frame))
            if oddity := self.calls.settle(frame):
                self._count(oddity)
        self._stream.account.give_back(charge)

    def _count(self, kind: str) -> None:
        """Count what is of no use, and log it more and more rarely; a charger sends something else between."""
        self._malformed += 1
        count = self._faults[kind] = self._faults.get(kind, 0) + 1
        self.central.hooks.observe(MalformedFrame(charger=self.charger, kind=kind))
        if count.bit_count() == 1:
            log.warning("malformed frame", kind=kind, count=count)
        if self._malformed >= MAX_MALFORMED_FRAMES:
            self.end(CloseCode.POLICY_VIOLATION, f"{MAX_MALFORMED_FRAMES} malformed frames in a row")

    async def _work(self, inbox: Inbox[tuple[Waiting, int]]) -> None:
        with suppress(trio.EndOfChannel):
            while True:  # as in `_read`
                self._stream.account.give_back(await self._work_off(*await inbox.take()))

    async def _work_off(self, waiting: Waiting, charge: int) -> int:
        await self._answer(waiting)
        return charge

    async def _answer(self, waiting: Waiting) -> None:
        if isinstance(waiting, Malformed):
            await self._reply(waiting.answer or "", waiting.raw_id, None)
            return
        try:
            text = await self._answer_to(waiting)
        except RateExceeded as error:
            await self._refuse(waiting, str(error))
            return
        except StoreUnavailable:
            self.end(CloseCode.TRY_AGAIN_LATER, "nothing can be stored at present")
            return
        except NoRoom:
            return
        await self._reply(text, waiting.call.raw_id, waiting.call.action)

    async def _refuse(self, received: Received, reason: str) -> None:
        """Acknowledge nothing more: let the charger wait, and send it away with what it has not been answered."""
        log.warning("a charger sends more than any does; it is not acknowledged", reason=reason)
        with suppress(StoreUnavailable):
            action, origin = received.call.action, self.origin(received.received_at)
            await self.central.writer.run(rates.refuse, origin, action, reason)
        await trio.sleep(REFUSAL_SECONDS)
        self.end(CloseCode.TRY_AGAIN_LATER, reason)

    async def _reply(self, text: str, message_id: str | None, action: str | None) -> None:
        with suppress(ConnectionClosed):  # what came before the peer left is stored all the same
            await self.send(text, message_id, action)

    async def _answer_to(self, received: Received) -> str:
        text, call, at, received_at, repairs = received
        if has_url(text):  # perhaps with a password; nothing of a charger's is stored or told before it is masked
            call = replace(call, payload=masked_value(call.payload))
        if self._row is None:
            try:
                check_call(call, strict=self.central.config.strict)  # who never says anything valid leaves no row
            except Refused as refused:
                self.transcript.release()
                return error_text(call.raw_id, refused.code, refused.description)
            await self.begin()
        origin = self.origin(received_at)
        exchange = Exchange(self.central, text, call, at, origin, self.visitor, self.tell_interval, repairs)
        answered = await answer(exchange, HANDLERS)
        self.may_be_called.set()
        return answered

    async def _begin(self) -> None:
        central, peer = self.central, self._peer
        connection = sessions.Connection(
            charger=peer.charger,
            run=central.run,
            number=self._number,
            remote_address=peer.remote_address,
            target=cut(peer.target),
            subprotocol=peer.subprotocol and cut(peer.subprotocol),
            clock_trusted=central.clock_trusted,
            connected_at=stamp(peer.connected_at),
            received_at=stamp(central.clock()),
        )
        begun = await central.writer.run(sessions.begin, connection, central.config.max_chargers)
        if begun is None:
            self.end(CloseCode.POLICY_VIOLATION, "no room for another charger (--max-chargers)")
            raise NoRoom
        central.known.add(peer.charger)
        self._row = begun.session
        self.transcript.release(begun.session)
        if begun.heartbeat_interval:
            self.tell_interval(begun.heartbeat_interval)

    async def _watch(self) -> None:
        """End the session after three heartbeat intervals without a byte (any frame is life, J 5.3)."""
        while (deadline := self._stream.last_received + self._patience_seconds) > trio.current_time():
            with trio.move_on_at(deadline) as self._watching:
                await trio.sleep_forever()
        self.end(CloseCode.POLICY_VIOLATION, f"silent for {self._patience_seconds} s")

    async def _are_pings_off(self) -> bool:
        try:
            return await self.central.writer.run(pings.are_off, self.charger)
        except StoreUnavailable:
            return True  # for this connection; it will not last

    @property
    def _patience_seconds(self) -> int:
        return SILENT_INTERVALS * self.heartbeat_interval

    def _end_without_memory(self) -> None:
        self.end(CloseCode.TRY_AGAIN_LATER, "too many large messages come at once")

    def _end_too_large(self) -> None:
        limit = self.central.config.max_message_bytes
        self.end(CloseCode.MESSAGE_TOO_BIG, f"a message is larger than {limit} bytes (--max-message-bytes)")

    def _closed_by_peer(self) -> Closing | None:
        closed = self._websocket.closed
        return Closing(int(closed.code), closed.reason or "") if closed else None
