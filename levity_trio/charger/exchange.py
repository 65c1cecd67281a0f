"""One CALL of a charger, from its frame to the text of its response.

A transaction message is never refused: after a CALLERROR some chargers retry it without end and
block their queue, and others discard it together with its kilowatt-hours. One that cannot be read
or handled is set aside raw and answered with a CALLRESULT. It is read again from its frame, once an
operator knows its transaction. Fields that could not be read are replaced by those that the
operator gives.

The readings of a large message, read part by part: the whole would take a hundred times its
size.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar, TypeVarTuple

import orjson

from levity_trio.access.registration import Status
from levity_trio.access.tags import Policy
from levity_trio.charger.budget import LONG_BYTES
from levity_trio.charger.central import Central, Visitor
from levity_trio.charging.sent import readings
from levity_trio.charging.sent.readings import Reading, understand
from levity_trio.events import Fact, MessageHandled, PluginFailed
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Amendment
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.writes.chargers import notices, sessions
from levity_trio.store.writes.chargers.sessions import count_repairs, set_aside
from levity_trio.store.writes.origin import LOCAL, Message, Origin, Stop, StopWithData, fields_of
from levity_trio.store.writes.site import frames
from levity_trio.store.writes.transactions.readings import MessageReadings
from levity_trio.store.writes.transactions.starts import start_unreadable, stop_unreadable
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import Call, error_text, parse_frame, result_text
from levity_trio.wire.large import Parts, parts_of
from levity_trio.wire.payloads import (
    CHARGER_ACTIONS,
    Read,
    call,
    call_result,
    check_action,
    read_request,
    write_payload,
)
from levity_trio.wire.repair import Repair, Wrong, damaged_json
from levity_trio.wire.texts import cut, cut_texts, may_be_long


class LargeData:
    """The readings of a large StopTransaction or MeterValues, in lists of some hundred, as often as
    they are asked for.

    Elements that cannot be read are left out, unless `strict`: then reading raises Refused.
    """

    def __init__(self, parts: Parts, received: datetime, *, strict: bool = False) -> None:
        self._parts = parts
        self._received = received
        self._strict = strict
        self.repairs: list[Repair] = []
        """The repairs that the last reading took."""

    @classmethod
    def of(cls, frame: str, received: datetime) -> LargeData | None:
        """Return the readings of a stored frame, None if it is an ordinary one."""
        parts = parts_of(frame)
        return None if parts is None else cls(parts, received)

    @property
    def ends(self) -> str:
        """The frame with the readings at both ends of the list."""
        return self._parts.ends()

    def all(self) -> list[Reading]:
        """Return all readings at once."""
        return [reading for part in self for reading in part]

    def __iter__(self) -> Iterator[list[Reading]]:
        self.repairs = []
        for text in self._parts:
            call = parse_frame(text, strict=self._strict)
            if not isinstance(call, Call):
                raise Refused(ErrorCode.FORMATION_VIOLATION, Wrong.DAMAGED_JSON)
            if call.is_damaged:
                self.repairs.append(damaged_json(text))
            payload = cut_texts(call.payload) if may_be_long(text) else call.payload
            elements = None
            try:
                read = read_request(call.action, payload, strict=self._strict)
            except Refused as refused:
                if self._strict:
                    raise
                # The other parts can be read all the same.
                self.repairs += [Repair(kind, sample) for kind, sample in refused.faults.items()]
            else:
                self.repairs += read.repairs
                if call.action == "StopTransaction":
                    elements = read.message.transaction_data
                else:
                    elements = read.message.meter_value
            yield readings.read(elements or (), self._received)


T = TypeVar("T")
Ts = TypeVarTuple("Ts")
UNKNOWN_ACTION: Final = "unknown"
"""Stands for every unknown action in what plugins observe, so that a charger cannot grow their
tables."""
BOUNDED_MESSAGES: Final = frozenset({"StartTransaction", "StopTransaction"})
TRANSACTION_MESSAGES: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
UNUSED_TIME: Final = "timestampAsSent"
"""The name under which a start keeps a time that may be wrong."""
NUMBER_CHARACTERS: Final = 64
"""Maximum length of a number as it was sent, kept beside the one that was read."""
READ_AGAIN: Final = frozenset({"StopTransaction", "MeterValues"})
log = get_logger("ocpp")


@dataclass(slots=True)
class Exchange:
    """A CALL that is being handled, and what its handler may use."""

    central: Central
    text: str
    """The frame as received, with its secrets masked."""
    call: Call
    at: datetime
    """The time of receipt."""
    origin: Origin
    visitor: Visitor
    set_heartbeat_interval: Callable[[int], None]
    """Reports a heartbeat interval, in seconds, to the session's watchdog after it was sent to the
    charger."""
    repairs: tuple[Repair, ...] = ()
    """The repairs to its frame and its payload, until the first write counts them."""
    data: LargeData | None = None
    """All readings of a large message. Its `call` has those at both ends of its list."""
    request: Any = None
    """The request as it was read, a dataclass of `ocpp.v16.call`."""
    mended: tuple[str, ...] = ()
    """The kinds of the repairs, for plugins."""
    amendment: Amendment | None = None
    """The plugins' amendments, until the first write runs them."""
    evidence: Message | None = None
    """The whole message if other rows cut one of its texts, until the first write stores it."""
    bounded: Message | None = None
    """The message, if the number of its kind that a charger may add in a day is limited."""

    @property
    def charger(self) -> str:
        """The identity of the charger."""
        return self.origin.charger

    @property
    def policy(self) -> Policy:
        """The settings by which tags are judged at this charger."""
        policy = self.central.tags.policy
        if self.central.registrations.status(self.origin.charger) is Status.ACCEPTED:
            return policy
        return replace(policy, is_registered=False)

    @property
    def message(self) -> Message:
        """The request as received, for the rows that keep it."""
        call, frame = self.call, self.text
        payload = call.payload
        if not isinstance(payload, dict) or (call.is_damaged and not payload):
            kept = frame
        else:
            if call.is_damaged and self.request is None:
                # What could be read of two different damaged frames may be equal. The frame beside
                # it tells them apart.
                payload = payload | {"frame": frame}
            kept = orjson.dumps(payload).decode()
        return Message(call.action, kept, cut(call.raw_id), frame)

    async def in_turn(self, read: Callable[[], T]) -> T:
        """Read of this message what takes long if it is long, so that others are served
        meanwhile."""
        # Nearly all messages are short, and need no turn.
        if len(self.text) <= LONG_BYTES:
            return read()
        return await self.central.budget.in_turn(self.charger, len(self.text), read)

    async def write(self, write: Callable[[UnitOfWork, Origin, *Ts], T], *args: *Ts) -> T:
        """Run a write for this charger and wait for its commit. The first write also counts the
        repairs.

        Raises:
            StoreUnavailable: the write was not committed in time; the connection will be closed.
            RateExceeded: the charger exceeds the limits of its rate; the connection will be closed.
        """
        run = self.central.writer.run
        more = self.evidence, self.repairs, self.amendment
        is_alone = self.central.writer.sharing.is_alone
        if is_alone and not any(more) and self.bounded is None and self.data is None:
            # Nearly always: nothing is to be stored beside it.
            return await run(write, self.origin, *args)
        bound = is_alone, self.bounded, self.central.config.max_starts
        result, failures = await run(_with_more, more, bound, self.data, write, self.origin, args)
        self.evidence, self.repairs, self.amendment = None, (), None
        if self.data is not None:
            # A large message is read while it is stored, so its repairs are known only now.
            self.mended += tuple([repair.kind for repair in self.data.repairs])
            self.data.repairs = []
        for failure in failures:
            self.central.hooks.observe(failure)
        return result

    async def note(self, write: Callable[[UnitOfWork, Origin, *Ts], T], *args: *Ts) -> None:
        """Run a write for this charger soon, without waiting for its commit, unless more is to be
        stored with it.

        If too many wait already, the charger waits for a place. Raises StoreUnavailable if there is
        none in time.
        """
        writer, origin = self.central.writer, self.origin
        if self.evidence or self.repairs or self.amendment:
            await self.write(write, *args)
            return
        try:
            writer.note(write, origin, *args)
        except StoreUnavailable:
            await writer.hand_in(write, origin, *args)

    async def record(self, kind: Callable[..., Fact], **fields: object) -> None:
        """Store a fact about this charger and nothing else: `kind` is its class, `fields` its own
        fields."""
        fact = kind(charger=self.charger, at=self.origin.received_at, **fields)
        await self.write(notices.record, fact)


def _with_more(
    db: UnitOfWork,
    more: tuple[Message | None, tuple[Repair, ...], Amendment | None],
    bound: tuple[bool, Message | None, int],
    data: LargeData | None,
    write: Callable[[UnitOfWork, Origin, *Ts], T],
    origin: Origin,
    args: tuple[*Ts],
) -> tuple[T, list[PluginFailed]]:
    """Run a write with its additions: store an over-long message, count repairs, run the plugins'
    amendments.

    The readings of a large message, `data`, are read while they are stored, so their repairs are
    counted at the end.

    Raises StoreUnavailable if the charger has begun a newer session, with another server.
    """
    evidence, repairs, amend = more
    is_alone, message, most_starts = bound
    if not is_alone and sessions.has_newer(db, origin):
        raise StoreUnavailable
    at = origin.received_at
    if evidence is not None:
        is_kept = db.count_fact(origin.charger, "Evidence", at)
        if is_kept:
            frames.keep(db, origin, evidence)
    failures = amend(db, origin) if amend is not None else []
    result = write(db, origin, *args)
    if data is not None:
        repairs += tuple(data.repairs)
    if repairs:
        count_repairs(db, origin, [(repair.kind, repair.sample) for repair in repairs])
    if message is not None:
        frames.check_messages(db, origin, message, most_starts)
    return result, failures


Handler = Callable[[Exchange, Any], Awaitable[object]]
"""Takes the request (a dataclass of `ocpp.v16.call`) and returns the response (one of
`call_result`)."""


def check_call(call: Call, *, strict: bool) -> None:
    """Check whether a CALL is valid enough to begin a session, without handling it.

    Raises:
        Refused: its action is not accepted, or its payload is invalid and would be refused anyway.
    """
    check_action(call.action)
    is_object = isinstance(call.payload, dict) and not call.is_damaged
    if not is_object and call.action not in TRANSACTION_MESSAGES:
        read_request(call.action, call.payload, strict=strict)


async def answer(exchange: Exchange, handlers: Mapping[str, Handler]) -> str:
    """Handle a CALL and return the text of its response. Everything that the response promises is
    committed.

    Raises:
        StoreUnavailable: nothing could be stored, so no response may be sent.
    """
    began, code = time.perf_counter(), None
    call, hooks = exchange.call, exchange.central.hooks
    try:
        result = await _handle(exchange, handlers)
        text = result_text(call.raw_id, write_payload(result))
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one message: a bug affects this one only
        code = error.code if isinstance(error, Refused) else ErrorCode.INTERNAL_ERROR
        text = await _recover(exchange, error)
    if hooks.is_observed:
        handled = MessageHandled(
            charger=exchange.charger,
            action=call.action if call.action in CHARGER_ACTIONS else UNKNOWN_ACTION,
            seconds=time.perf_counter() - began,
            request=exchange.request,
            code=code,
            repairs=exchange.mended,
        )
        hooks.observe(handled)
    return text


async def _handle(exchange: Exchange, handlers: Mapping[str, Handler]) -> object:
    action, strict = exchange.call.action, exchange.central.config.strict

    def read_payload() -> Read:
        # What is read is what rows keep: over-long texts are cut.
        payload = exchange.call.payload
        if may_be_long(exchange.text):
            payload = cut_texts(payload)
            # The rows of bounded messages keep the whole of them.
            if payload != exchange.call.payload and action not in BOUNDED_MESSAGES:
                exchange.evidence = exchange.message
        return read_request(action, payload, strict=strict)

    read = await exchange.in_turn(read_payload)
    exchange.request = read.message
    exchange.repairs += read.repairs
    exchange.amendment = exchange.central.hooks.amendment(read.message)
    exchange.mended = tuple([repair.kind for repair in exchange.repairs])
    if action in BOUNDED_MESSAGES:
        exchange.bounded = exchange.message
    result = await handlers[action](exchange, read.message)
    if exchange.repairs or exchange.amendment:
        # The message has no row of its own, such as Heartbeat.
        await exchange.write(nothing)
    return result


def nothing(db: UnitOfWork, origin: Origin) -> None:
    """The write of a message that stores nothing itself, but was repaired, is amended by a plugin,
    or lets others go first."""


async def _recover(exchange: Exchange, error: Exception) -> str:
    """Return the response to a CALL that could not be read or handled."""
    call, strict = exchange.call, exchange.central.config.strict
    if isinstance(error, Refused):
        refusal = error
        log.warning(
            "message refused", action=call.action, code=error.code, reason=error.description
        )
    else:
        refusal = Refused(
            ErrorCode.INTERNAL_ERROR, "the message could not be handled; the error was logged"
        )
        log.error("handler failed", action=call.action, exc_info=error)
    # In strict mode, what the charger did wrong is refused; our own fault never is.
    if call.action not in TRANSACTION_MESSAGES or (strict and refusal is error):
        return error_text(call.raw_id, refusal.code, refusal.description)
    exchange.repairs += tuple([Repair(kind, sample) for kind, sample in refusal.faults.items()])
    exchange.mended = tuple([repair.kind for repair in exchange.repairs])
    result = await _set_aside(exchange, refusal.description)
    return result_text(call.raw_id, write_payload(result))


async def _set_aside(exchange: Exchange, reason: str) -> object:
    """Keep a transaction message raw, beside its transaction if it has one; return what
    acknowledges it."""
    exchange.bounded = message = exchange.message
    action = message.action
    try:
        if action == "StartTransaction":
            return await _start_unreadable(exchange, message, reason)
        if action == "MeterValues":
            await exchange.write(set_aside, message, reason)
            return call_result.MeterValues()
        data: Iterable[list[Reading]] = ()
        if exchange.request is None:
            # It could not be read. One that could not be handled may fail again.
            payload, at = exchange.call.payload, exchange.at
            data = exchange.data or [await exchange.in_turn(lambda: transaction_data(payload, at))]
        await exchange.write(stop_unreadable, message, reason, data)
        return call_result.StopTransaction()
    except StoreUnavailable:
        raise
    except Exception:
        # What made its handler fail may make this fail too; unanswered, the charger repeats it for
        # ever.
        log.exception(
            "message could not be applied to its transaction; it is kept raw", action=action
        )
    if action == "StartTransaction":
        # Without a time, it is compared with no other transaction.
        fields: dict[str, Any] = {}
        for name, value in fields_of(message).items():
            fields[UNUSED_TIME if name == "timestamp" else name] = value
        undated = message._replace(payload=orjson.dumps(fields).decode())
        return await _start_unreadable(exchange, undated, reason)
    await exchange.write(set_aside, message, reason)
    if action == "MeterValues":
        return call_result.MeterValues()
    return call_result.StopTransaction()


async def _start_unreadable(exchange: Exchange, message: Message, reason: str) -> object:
    started = await exchange.write(start_unreadable, message, reason, exchange.policy)
    exchange.central.has_charged.add(exchange.charger)
    return call_result.StartTransaction(started.transaction, {"status": started.verdict.status})


class NotReadAgain(Exception):
    """A message that was set aside cannot be read, not even with the given values. Its text says
    why."""


def told_by_stop(
    request: call.StopTransaction, payload: object, message: Message, at: datetime
) -> StopWithData:
    """Return a stop and its transactionData. `payload` is the stop as sent, `at` the time of
    receipt."""
    stop = Stop(
        transaction=request.transaction_id,
        id_tag=request.id_tag,
        meter_stop=request.meter_stop,
        moment=understand(request.timestamp, at),
        reason=request.reason or LOCAL,
        message=message,
        sent_meter_stop=sent_number(payload, "meterStop"),
    )
    data = request.transaction_data
    return StopWithData(stop, readings.read(data, at) if data else [])


def transaction_data(payload: object, at: datetime) -> list[Reading]:
    """Return the transactionData of a stop whose meterStop cannot be read; empty if more of it
    cannot be."""
    sent = payload if isinstance(payload, dict) else {}
    readable = cut_texts(sent) | {"meterStop": 0}
    try:
        request = read_request("StopTransaction", readable, strict=False).message
    except Refused:
        return []
    return readings.read(request.transaction_data or (), at)


def sent_number(payload: object, name: str) -> str | None:
    """Return a number of a payload as it was sent, None if it was an integer or absent."""
    sent = payload.get(name) if isinstance(payload, dict) else None
    if sent is None or type(sent) is int:
        return None
    return str(sent)[:NUMBER_CHARACTERS]


def read_again(
    frame: str, received_at: datetime, values: Mapping[str, object]
) -> StopWithData | MessageReadings:
    """Read the frame of a stop or of a MeterValues that was set aside.

    `values` are the values of fields that could not be read, by their names on the wire. Raises
    NotReadAgain.
    """
    large = LargeData.of(frame, received_at)
    sent = parse_frame(frame if large is None else large.ends)
    if not isinstance(sent, Call) or sent.action not in READ_AGAIN:
        raise NotReadAgain(
            "only a StopTransaction or a MeterValues can be applied to a transaction"
        )
    is_object = isinstance(sent.payload, dict)
    payload: dict[str, Any] = cut_texts(sent.payload if is_object else {}) | values
    try:
        request = read_request(sent.action, payload, strict=False).message
    except Refused as refused:
        raise NotReadAgain(refused.description) from refused
    if sent.action == "StopTransaction":
        kept = orjson.dumps(sent.payload).decode() if is_object else frame
        message = Message(sent.action, kept, cut(sent.raw_id), frame)
        stop = told_by_stop(request, payload, message, received_at)
        return stop if large is None else stop._replace(data=large.all())
    data = readings.read(request.meter_value, received_at) if large is None else large.all()
    return MessageReadings(request.connector_id, sent.action, data, request.transaction_id)
