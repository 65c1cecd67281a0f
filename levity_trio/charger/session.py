"""One charger's session and its row: a nursery with a reader, a worker, a sender of commands, and a
watchdog that pings.

    websocket → reader → inbox → worker → handler → writer, then the response
                      ↘ responses to our own CALLs

Nearly each message arrives whole, and is passed on by the stream at once, which spares the
library's parser and two switches of tasks. The reader takes the others from the library. None
overtakes one that is still read.

The reader never runs a handler: a handler that called the charger would wait for a response that
only the reader can deliver.

There are three ways to end. When the peer closes the connection, the reader closes the inbox, and
the worker ends after it has handled what was received. When we end the session (a newer connection,
silence, the server's shutdown), the scope around the nursery is cancelled; the goodbye is said
behind that scope, where waiting works again. An error in one task cancels the others, and is logged
at the boundary of the connection, which ends without a goodbye.

The row of one session in the database: inserted with the handshake of a charger that is known,
otherwise with the first valid CALL in either direction, and ended once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from functools import partial
from math import inf
from typing import Final, NamedTuple

import trio

from levity_trio.access.admission import Admission
from levity_trio.charger.budget import MessageCharge
from levity_trio.charger.central import Central, Visitor
from levity_trio.charger.commands import Chargers, CommandSender, ConnectedCharger
from levity_trio.charger.exchange import Exchange, LargeData, answer, check_call
from levity_trio.charger.handlers import HANDLERS
from levity_trio.charger.inbox import INBOX_CALLS, Inbox
from levity_trio.charger.liveness import Liveness
from levity_trio.charger.stream import (
    GOODBYE_SECONDS,
    ChargerStream,
    CloseCode,
    ConnectionClosed,
    WebSocketConnection,
)
from levity_trio.charger.transcript import Transcript
from levity_trio.events import MalformedFrame
from levity_trio.log.output import get_logger
from levity_trio.records import record
from levity_trio.store.engine.faults import DatabaseDamaged, RateExceeded, StoreUnavailable
from levity_trio.store.engine.writer import persist
from levity_trio.store.reads.chargers import chargers
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.chargers.sessions import count_faults
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.site import frames
from levity_trio.wire.errors import NoRoom, Refused
from levity_trio.wire.frames import (
    Call,
    Frame,
    Malformed,
    Response,
    decoded,
    error_text,
    parse_frame,
)
from levity_trio.wire.large import LARGE_BYTES, NotCuttable, Parts
from levity_trio.wire.repair import Repair, Wrong, damaged_json, not_utf8
from levity_trio.wire.secrets import (
    has_url,
    masked_fragment,
    masked_frame,
    masked_value,
    may_hold_secret,
)
from levity_trio.wire.texts import cut
from levity_trio.wire.times import stamp


class CloseReason(NamedTuple):
    """Why a connection ends: a close code (RFC 6455 §7.4) and a reason."""

    code: int
    reason: str


@record(kw_only=False)
class Peer:
    """The peer of a connection, as the handshake identified it."""

    charger: str
    remote_address: str
    target: str
    subprotocol: str | None
    connected_at: datetime
    admission: Admission
    dialled: str | None = None
    """The address of this machine that it was given."""
    copied_by: str | None = None
    """The servers that it is a copy of."""


class SessionRow:
    """The row of one session, which may never be inserted."""

    __slots__ = ("_beginning", "_central", "_id", "_number", "_peer")

    def __init__(self, central: Central, peer: Peer) -> None:
        self._central = central
        self._peer = peer
        self._number = next(central.connection_numbers)
        self._id: int | None = None
        self._beginning = trio.Lock()

    def __repr__(self) -> str:
        return f"<SessionRow charger={self._peer.charger!r} id={self._id}>"

    @property
    def is_begun(self) -> bool:
        """Whether the row was inserted."""
        return self._id is not None

    def origin(self, received_at: str | None = None) -> Origin:
        """Return the origin of a row that is written now."""
        if self._id is None:
            raise RuntimeError("the session has no row yet")
        return Origin(self._peer.charger, self._id, received_at or stamp(self._central.clock()))

    async def begin(self) -> sessions.BegunSession | None:
        """Insert the row; return None if it was inserted before.

        Raises:
            NoRoom: the limit on chargers, on newcomers or on their connections is reached.
            StoreUnavailable: the row could not be committed in time.
        """
        # The first CALL of the charger and our own may come at the same time.
        async with self._beginning:
            if self._id is not None:
                return None
            central, peer = self._central, self._peer
            connection = sessions.NewConnection(
                charger=peer.charger,
                run=central.run,
                number=self._number,
                remote_address=peer.remote_address,
                target=cut(peer.target),
                subprotocol=peer.subprotocol and cut(peer.subprotocol),
                clock_trusted=central.clock_trusted,
                connected_at=stamp(peer.connected_at),
                received_at=stamp(central.clock()),
                admission=peer.admission,
                dialled=peer.dialled,
                copied_by=peer.copied_by,
            )
            most, mode = central.config.max_chargers, central.registrations.mode
            try:
                begun = await central.writer.run(sessions.begin, connection, most, mode)
            except RateExceeded as error:
                raise NoRoom(str(error)) from error
            if begun is None:
                raise NoRoom(central.registrations.no_room)
            self._id = begun.session
            return begun

    async def end(
        self, closing: CloseReason, is_current: bool, faults: Mapping[str, int], liveness: Liveness
    ) -> None:
        """Store the end of the session, its malformed frames by kind, and how the charger showed
        that it was alive.

        Only the end of the charger's current session takes it offline.
        """
        central = self._central
        at, kept = stamp(central.clock()), liveness.outlived_seconds
        charger = self._peer.charger
        ending = sessions.ConnectionEnd(charger, central.run, self._number, at, *closing, kept)
        async with central.ending:
            await _persist(partial(central.writer.run, sessions.end, ending, is_current))
        if faults and self.is_begun:
            await _persist(partial(central.writer.hand_in, count_faults, self.origin(), faults))
        if (outcome := liveness.pings.outcome) is not None:
            await _persist(partial(central.writer.hand_in, sessions.note_pings, ending, outcome))


async def _persist(write: Callable[[], Awaitable[object]]) -> None:
    """Retry until the database accepts the write: a session without an end would count as
    connected."""
    # One that needs a damaged page must not hold up the ends of all others.
    with suppress(DatabaseDamaged):
        await persist(write)


MAX_MALFORMED_FRAMES: Final = 100
"""A peer that sends this many in a row is not a charger."""
HEARTBEAT: Final = "Heartbeat"
BOOT_SECONDS: Final = 60.0
"""So long after its row was inserted, a charger may send its boot unasked."""
REFUSAL_SECONDS: Final = 30.0
"""So long the connection of a charger stays open whose message is not acknowledged."""
STOPPING: Final = CloseReason(CloseCode.GOING_AWAY, chargers.STOPPING)
NOTHING_VALID: Final = "it sent nothing that is OCPP 1.6"
TOO_SLOW: Final = "a large message did not arrive in time, or stopped for too long"
NO_MEMORY: Final = "the memory budget for messages is exhausted"

frames_log = get_logger("ocpp")
log = get_logger("ws")


def _log_frame(direction: str, masked: str) -> None:
    if frames_log.is_enabled_for(logging.DEBUG):
        frames_log.debug("frame", dir=direction, msg=masked)


class Received(NamedTuple):
    """A CALL in the inbox: its masked frame and its time of receipt, also in the database's
    format."""

    text: str
    call: Call
    at: datetime
    received_at: str
    repairs: tuple[Repair, ...]
    """The repairs to the frame itself."""
    data: LargeData | None = None
    """All readings of a large message."""


InboxItem = Received | Malformed | Response
"""What the inbox keeps in order: a CALL, a malformed one that gets a CALLERROR, or a late response
to one of ours, which is stored although its charger leaves right after it."""


class _ParsedMessage(NamedTuple):
    """A message of the charger, as it was read."""

    frame: Frame
    masked: str
    """Its text without secrets."""
    is_utf8: bool
    data: LargeData | None = None
    """All readings of a large message."""


async def _parts_of(message: str | bytes) -> Parts:
    """Find the parts of a large message; others are served in between. Raises NotCuttable."""
    parts = Parts(message)
    for _ in parts.find():
        await trio.lowlevel.checkpoint()
    return parts


class Session:
    """A connection of one charger, from its accepted handshake to its end."""

    __slots__ = (
        "_closing",
        "_faults",
        "_is_taking",
        "_malformed",
        "_peer",
        "_row",
        "_stream",
        "_websocket",
        "boot_due",
        "central",
        "charger",
        "commands",
        "has_spoken",
        "liveness",
        "transcript",
        "visitor",
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
        self.boot_due = inf
        """When it is asked to boot, if nobody has received a boot of it: only that tells vendor,
        model and firmware."""
        self.has_spoken = False
        """Whether the charger sent a valid CALL or a response to one of ours; from then on the
        session has its row."""
        self.commands = CommandSender(self, central)
        self.liveness = Liveness(central.config, stream, websocket)
        self.transcript = Transcript(peer.charger, central.clock, central.writer.log_frame)
        self._peer = peer
        self._stream = stream
        self._websocket = websocket
        self._closing: CloseReason | None = None
        self._row = SessionRow(central, peer)
        self._malformed = 0
        self._is_taking = False
        """Whether a message of the library's is being read, which a later one must not overtake."""
        self._faults: dict[str, int] = {}
        stream.on_overflow = self._end_too_large
        later = CloseCode.TRY_AGAIN_LATER
        stream.on_slow = partial(self._turn_away, "slow", later, TOO_SLOW)
        stream.account.on_refused = partial(self._turn_away, "memory", later, NO_MEMORY)

    def __repr__(self) -> str:
        return f"<Session charger={self.charger!r} row={self._row!r} closing={self._closing}>"

    @property
    def answers_pings(self) -> bool:
        """Whether the charger answers our pings on this connection."""
        return self.liveness.pings.are_answered

    @property
    def has_begun(self) -> bool:
        """Whether the session has a row."""
        return self._row.is_begun

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last byte from the charger, also while its large message waits for its
        place."""
        return trio.current_time() - self._stream.last_received

    def set_heartbeat_interval(self, seconds: int) -> None:
        """Use this heartbeat interval, in seconds; three intervals without a byte end the
        session."""
        self.liveness.set_heartbeat_interval(seconds)

    def end(self, code: int, reason: str) -> None:
        """End this session from our side. The close frame carries the first reason given."""
        self._closing = self._closing or CloseReason(code, reason)
        # This scope lies around the nursery of `converse`, and the goodbye comes behind it. Who
        # calls this may be a task of that nursery: it runs on to its next checkpoint.
        self.visitor.scope.cancel()

    def _turn_away(self, kind: str, code: int, reason: str) -> None:
        """End this session for something that the charger would do again, and tell the owner."""
        self.central.turned_away.note(self.charger, self._peer.remote_address, kind, reason)
        self.end(code, reason)

    async def converse(self) -> None:
        """Run the session until the peer closes the connection or `end` is called."""
        inbox = Inbox[tuple[InboxItem, MessageCharge]]()
        # The library's task calls it, which began without the charger's name in its log lines.
        context = copy_context()
        self._stream.on_message = lambda message: context.run(self._take_at_once, inbox, message)
        hooks, strict = self.central.hooks, self.central.config.strict
        end = partial(self.end, CloseCode.POLICY_VIOLATION)
        try:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(self._read, inbox)
                tasks.start_soon(self.commands.run)
                tasks.start_soon(self.liveness.watch, tasks, self._are_pings_off, end)
                for plugin in hooks.accompanying:
                    chargers = Chargers(self.central)
                    charger = ConnectedCharger(self.charger, plugin.name, chargers, strict)
                    tasks.start_soon(hooks.accompany, plugin, charger)
                # The worker is the body of the nursery, because its end is that of the session:
                # the peer has left, and what it sent is answered. The others would wait for ever.
                await self._work(inbox)
                tasks.cancel_scope.cancel()
        finally:
            # Tasks of the API and of load management wait for answers of this charger, too. No
            # nursery here cancels them, so they are told.
            self.commands.close()

    async def say_goodbye(self) -> None:
        """Send a close frame with the reason, if the peer is still there, and close the
        connection."""
        if self._closing is None:
            # Nothing of ours ended it: the peer did, or the server stops.
            closed = self._websocket.closed
            self._closing = STOPPING
            if closed is not None:
                self._closing = CloseReason(int(closed.code), closed.reason or "")
        # The stream shields its sends from `patience`, so it gets the same limit.
        self._stream.send_seconds = GOODBYE_SECONDS
        with trio.move_on_after(GOODBYE_SECONDS) as patience:
            self._stream.begin_goodbye(patience.cancel)
            await self._websocket.aclose(*self._closing)
        if not patience.cancelled_caught:
            # Its own close frame came, or a reset.
            self.liveness.note_answered_goodbye()

    async def record_end(self) -> None:
        """Remove the session from the registry and store its end."""
        is_current = self.central.registry.remove(self)
        # An error that ended the session has passed by the goodbye, and left no reason.
        closing = self._closing or CloseReason(CloseCode.INTERNAL_ERROR, "the connection failed")
        address = self._peer.remote_address
        if not self._row.is_begun:
            # Otherwise, ChargerDisconnected is logged.
            log.info(
                "connection closed without a valid message",
                remote_address=address,
                reason=closing.reason,
            )
        if self._faults and not self.has_spoken:
            self.central.turned_away.note(self.charger, address, "frames", NOTHING_VALID)
        self.transcript.disconnected(*closing)
        await self._row.end(closing, is_current, self._faults, self.liveness)

    async def begin(self) -> Origin:
        """Insert the session's row, once: for the handshake of a known charger, the first valid
        CALL of another one, or our own first CALL.

        Raises:
            NoRoom: the limit on chargers, or on newcomers, is reached; the session is ending.
        """
        try:
            begun = await self._row.begin()
        except NoRoom as problem:
            self._turn_away("room", CloseCode.POLICY_VIOLATION, str(problem))
            raise
        if begun is not None:
            self.transcript.release(begun.session)
            if begun.is_unseen:
                self.boot_due = trio.current_time() + BOOT_SECONDS
            self.liveness.set_heartbeat_interval(*begun.intervals)
        return self.origin()

    def origin(self, received_at: str | None = None) -> Origin:
        """Return the origin of a row that is written now."""
        return self._row.origin(received_at)

    async def prepare_for_commands(self) -> None:
        """Make a charger that never sent a valid CALL known. Raises NoRoom, StoreUnavailable."""
        await self.commands.wait_for_first_message()
        await self.begin()

    async def send(self, text: str, message_id: str | None, action: str | None) -> None:
        """Send one frame: a CALL with this id and action, or the response to one. Raises
        ConnectionClosed."""
        if self._websocket.closed is not None or not await self._stream.send_text(text):
            # The library knows why nothing can be sent any more, and raises it.
            await self._websocket.send_message(text)
        masked = masked_frame(text)
        _log_frame("send", masked)
        self.transcript.sent(masked, message_id, action)

    async def _read(self, inbox: Inbox[tuple[InboxItem, MessageCharge]]) -> None:
        """Take the messages that the stream leaves to the library, until the peer has left."""
        try:
            while True:
                # A function for each message: a name in this loop would keep it alive while the
                # next one is awaited, although its memory is given back.
                await self._take(inbox, await self._websocket.get_message())
                self._is_taking = False
        except trio.TooSlowError:
            reason = f"{INBOX_CALLS} calls are waiting without progress"
            self.end(CloseCode.POLICY_VIOLATION, reason)
        except ConnectionClosed:
            # What has arrived is still answered, and stored above all.
            inbox.close()

    def _take_at_once(self, inbox: Inbox[tuple[InboxItem, MessageCharge]], message: bytes) -> bool:
        """Take a message that arrived whole, unless it would have to wait, or would overtake
        another one."""
        account = self._stream.account
        if self._is_taking or not account.is_read or inbox.is_full or self._closing is not None:
            return False
        if not account.take_nowait(len(message)):
            return False
        charge, at = account.next_charge(), self.central.clock()
        item = self._sort(self._read_message(message), at)
        if item is not None:
            inbox.put_nowait((item, charge))
        else:
            account.give_back(charge)
        return True

    async def _take(
        self, inbox: Inbox[tuple[InboxItem, MessageCharge]], message: str | bytes
    ) -> None:
        """Take a message of any size, waiting for the turn to read it and for room in the inbox."""
        self._is_taking = True
        charge = self._stream.account.next_charge()
        at = self.central.clock()
        size, most = len(message), self.central.config.max_message_bytes
        parsed = None
        if size > LARGE_BYTES:
            try:
                parsed = await self._read_large(message, at)
            except NotCuttable:
                # Only a message of readings may be larger: read whole, any other would take a
                # hundred times its size.
                if size > most:
                    self._end_too_large(size, most)
                    return
        if parsed is None:
            read = partial(self._read_message, message)
            parsed = await self.central.budget.in_turn(self.charger, size, read)
        item = self._sort(parsed, at)
        if item is not None:
            await inbox.put((item, charge))
        else:
            self._stream.account.give_back(charge)

    def _read_message(self, message: str | bytes) -> _ParsedMessage:
        text, is_utf8 = decoded(message)
        masked = masked_frame(text)
        _log_frame("recv", masked)
        frame = parse_frame(text, strict=self.central.config.strict)
        return _ParsedMessage(frame, masked, is_utf8)

    async def _read_large(self, message: str | bytes, at: datetime) -> _ParsedMessage:
        """Read a large message with the readings at both ends of its list. All of them are read
        when they are stored. Raises NotCuttable."""
        text, is_utf8 = decoded(message)
        # If it is valid, the bytes of the message serve, and the text needs no memory of its own.
        parts = await _parts_of(message if is_utf8 else text)
        if may_hold_secret(text):
            pieces: list[str] = []
            for piece in parts.pieces():
                pieces.append(masked_fragment(piece))
                await trio.lowlevel.checkpoint()
            text = "".join(pieces)
            parts = await _parts_of(text)
        _log_frame("recv", text)
        strict = self.central.config.strict
        frame = parse_frame(parts.ends(), strict=strict)
        return _ParsedMessage(frame, text, is_utf8, LargeData(parts, at, strict=strict))

    def _sort(self, message: _ParsedMessage, at: datetime) -> InboxItem | None:
        """Record a message by its kind; return what the worker has to do for it, None if nothing
        is left to be done."""
        frame, masked, is_utf8, data = message
        received_at = stamp(at)
        if isinstance(frame, Call):
            self._malformed = 0
            # The first one gives the session its row, whose id its frames are recorded with.
            self.transcript.hold()
            self.transcript.received(received_at, masked, frame.raw_id, frame.action)
            repairs: list[Repair] = []
            if not is_utf8:
                repairs.append(not_utf8(masked))
            if frame.is_damaged:
                repairs.append(damaged_json(masked))
            return Received(masked, frame, at, received_at, tuple(repairs), data)

        if isinstance(frame, Malformed):
            self.transcript.received(received_at, masked, frame.raw_id, None)
            self._count(frame.kind)
            return None if frame.answer is None else frame

        action = self.commands.action_of(frame)
        self.transcript.received(received_at, masked, frame.message_id, action)
        if frame.is_damaged:
            self._faults[Wrong.DAMAGED_JSON] = self._faults.get(Wrong.DAMAGED_JSON, 0) + 1
        fault = self.commands.settle(frame)
        if fault:
            # No CALL of ours waits for it.
            self._count(fault)
            return frame
        self.has_spoken = True
        return None

    def _count(self, kind: str) -> None:
        """Count a malformed frame or a stray response; log the 1st, 2nd, 4th, 8th, … of its kind.

        After MAX_MALFORMED_FRAMES without a CALL between them the session ends.
        """
        self._malformed += 1
        count = self._faults[kind] = self._faults.get(kind, 0) + 1
        self.central.hooks.observe(MalformedFrame(charger=self.charger, kind=kind))
        if count.bit_count() == 1:
            log.warning("malformed frame", kind=kind, count=count)
        if self._malformed >= MAX_MALFORMED_FRAMES:
            reason = f"{MAX_MALFORMED_FRAMES} malformed frames in a row"
            self._turn_away("frames", CloseCode.POLICY_VIOLATION, reason)

    async def _work(self, inbox: Inbox[tuple[InboxItem, MessageCharge]]) -> None:
        """Answer one message after the other, until the inbox is closed and empty."""
        with suppress(trio.EndOfChannel):
            while True:
                item, charge = await inbox.take()
                try:
                    if isinstance(item, Malformed):
                        await self._reply(item.answer or "", item.raw_id, None)
                    elif isinstance(item, Received):
                        await self._answer(item)
                    else:
                        await self.commands.store_late(item)
                except StoreUnavailable:
                    # No response: the charger keeps its message, and sends it again.
                    self.end(CloseCode.TRY_AGAIN_LATER, "the database cannot be written")
                except NoRoom:
                    # `begin` has ended the session.
                    pass
                # Its memory is given back, so it must be free while the next one is awaited.
                del item
                self._stream.account.give_back(charge)

    async def _answer(self, received: Received) -> None:
        """Handle a CALL and send its response. Raises StoreUnavailable, NoRoom: it gets none."""
        call = received.call
        try:
            text = await self._response_to(received)
        except RateExceeded as error:
            await self._refuse(received, str(error))
            return
        if not self.central.writer.sharing.may_answer:
            # Others may take this server for dead, and serve its chargers.
            self.end(CloseCode.SERVICE_RESTART, "this server was silent for too long")
            return
        await self._reply(text, call.raw_id, call.action)

    async def _refuse(self, received: Received, reason: str) -> None:
        """Acknowledge nothing more: make the charger wait, then close the connection without a
        response.

        The fact MessagesRefused is the line in the log.
        """
        with suppress(StoreUnavailable):
            action, origin = received.call.action, self.origin(received.received_at)
            await self.central.writer.run(frames.refuse, origin, action, reason)
        # Large messages of others need not wait with it.
        self._stream.account.leave_place()
        await trio.sleep(REFUSAL_SECONDS)
        self._turn_away("messages", CloseCode.TRY_AGAIN_LATER, reason)

    async def _reply(self, text: str, message_id: str | None, action: str | None) -> None:
        # The peer may have left. What it sent is stored, and so is the rest of the inbox.
        with suppress(ConnectionClosed):
            await self.send(text, message_id, action)

    async def _response_to(self, received: Received) -> str:
        """Return the response to a CALL; what it promises is committed."""
        text, call, at, received_at, repairs, data = received
        central = self.central
        if not self.has_spoken or has_url(text):
            try:
                check = partial(self._checked, text, call)
                call = await central.budget.in_turn(self.charger, len(text), check)
            except Refused as refused:
                # It begins no session: its frames have no row to wait for.
                self.transcript.release()
                return error_text(call.raw_id, refused.code, refused.description)
        # An answer to a CALL that is not stored may have come before, and began no row.
        if not self._row.is_begun:
            await self.begin()
        self.has_spoken = True
        if call.action == "BootNotification":
            self.boot_due = inf
        learned = self.liveness.heard(is_heartbeat=call.action == HEARTBEAT)
        if learned is not None:
            key = "interval", self.charger
            central.writer.coalesce(key, sessions.keep_interval, self.charger, learned)
        exchange = Exchange(
            central,
            text,
            call,
            at,
            self.origin(received_at),
            self.visitor,
            self.set_heartbeat_interval,
            repairs,
            data,
        )
        response = await answer(exchange, HANDLERS)
        self.commands.may_be_called.set()
        return response

    def _checked(self, text: str, call: Call) -> Call:
        """Return a CALL without the secrets of its URLs. Raises Refused for the first one if it is
        not valid."""
        if has_url(text):
            # It may contain a password, which is masked before anything is stored or published.
            call = replace(call, payload=masked_value(call.payload))
        if not self.has_spoken:
            # A peer without a valid CALL gets no row.
            check_call(call, strict=self.central.config.strict)
        return call

    async def _are_pings_off(self) -> bool:
        try:
            return await self.central.writer.run(sessions.pings_are_off, self.charger)
        except StoreUnavailable:
            # This connection will be closed soon.
            return True

    def _end_too_large(self, size: int, limit: int) -> None:
        reason = f"a message of {size} bytes, larger than {limit} (--max-message-bytes)"
        self._turn_away("message", CloseCode.MESSAGE_TOO_BIG, reason)
