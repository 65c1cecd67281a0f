"""One CALL of a charger, from its frame to the text of its answer.

A message of a transaction is never refused: after a CALLERROR some chargers repeat it for ever and block their queue,
others throw it away and the kilowatt-hours with it. What cannot be read or handled is set aside raw and answered.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, TypeVarTuple

import orjson

from levity_trio.charger.central import Central
from levity_trio.charger.registry import Visitor
from levity_trio.events import Fact, MessageHandled, PluginFailed
from levity_trio.log_output import get_logger
from levity_trio.plugins.base import Amendment
from levity_trio.store.ceilings import DAILY_EVIDENCE
from levity_trio.store.faults import StoreUnavailable
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import frames, notices, rates
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.set_aside import count_repairs, set_aside
from levity_trio.store.writes.transactions.unreadable import start_unreadable, stop_unreadable
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.frames import Call, error_text, result_text
from levity_trio.wire.payloads import CHARGER_ACTIONS, call_result, check_action, read_request, write_payload
from levity_trio.wire.repair import Repair
from levity_trio.wire.texts import cut, cut_texts, may_be_long

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
UNKNOWN_ACTION: Final = "unknown"
"""For plugins, whatever a charger made up: it must not grow their tables."""
NUMBER_CHARACTERS: Final = 64
"""Kept of a number as it was sent."""
BOUNDED_MESSAGES: Final = frozenset({"StartTransaction", "StopTransaction"})
TRANSACTION_MESSAGES: Final = frozenset({"StartTransaction", "StopTransaction", "MeterValues"})
log = get_logger("ocpp")


@dataclass(slots=True)
class Exchange:
    """A CALL that is being answered, and what its handler may use."""

    central: Central
    text: str
    """The frame as it came, its secrets masked."""
    call: Call
    at: datetime
    """When it came."""
    origin: Origin
    visitor: Visitor
    tell_interval: Callable[[int], None]
    """For who tells the charger its heartbeat interval, in seconds: the session's watchdog goes by it."""
    repairs: tuple[Repair, ...] = ()
    """What was mended to understand it, of its frame and of its payload, until it is counted with its first write."""
    request: Any = None
    """What was understood of it, a dataclass of `ocpp.v16.call`."""
    mended: tuple[str, ...] = ()
    """The same by kind, for plugins."""
    amendment: Amendment | None = None
    """What plugins amend with its first write, until they have."""
    evidence: Message | None = None
    """The whole of it, where an over-long text is cut in all other rows, until it is kept with its first write."""
    bounded: Message | None = None
    """A message of which a charger may add so many in a day."""

    @property
    def charger(self) -> str:
        """The identity of the charger that calls."""
        return self.origin.charger

    @property
    def message(self) -> Message:
        """The request as it came, for the rows that keep it."""
        payload, frame = self.call.payload, self.text
        told = orjson.dumps(payload).decode() if isinstance(payload, dict) else frame  # nothing could be read of it
        return Message(self.call.action, told, cut(self.call.raw_id), frame)

    async def write(self, write: Callable[[UnitOfWork, Origin, *Ts], T], *args: *Ts) -> T:
        """Run a write of this charger's and wait for its commit; repairs are counted with the first that is stored.

        Raises:
            StoreUnavailable: it could not be committed in time; the connection is going to be closed.
            RateExceeded: the charger sends more than any does; likewise.
        """
        run = self.central.writer.run
        more = self.evidence, self.repairs, self.amendment
        if not any(more) and self.bounded is None:
            return await run(write, self.origin, *args)
        bound = self.bounded, self.central.config.max_starts
        result, failures = await run(_with_more, more, bound, write, self.origin, args)
        self.evidence, self.repairs, self.amendment = None, (), None
        for failure in failures:
            self.central.hooks.observe(failure)
        return result

    async def tell(self, kind: Callable[..., Fact], **fields: object) -> None:
        """Store a fact of this charger's that is nothing more: `kind` is its class, `fields` are its own."""
        await self.write(notices.tell, kind(charger=self.charger, at=self.origin.received_at, **fields))


def sent_number(payload: object, name: str) -> str | None:
    """A number of a payload as it was sent, where that was no whole number."""
    sent = payload.get(name) if isinstance(payload, dict) else None
    return None if sent is None or type(sent) is int else str(sent)[:NUMBER_CHARACTERS]


def _with_more(
    db: UnitOfWork,
    more: tuple[Message | None, tuple[Repair, ...], Amendment | None],
    bound: tuple[Message | None, int],
    write: Callable[[UnitOfWork, Origin, *Ts], T],
    origin: Origin,
    args: tuple[*Ts],
) -> tuple[T, list[PluginFailed]]:
    """A write with what goes before it: an over-long message is kept, repairs are counted, plugins amend."""
    evidence, repairs, amend = more
    at = origin.received_at
    if evidence is not None and db.is_kept(origin.charger, "Evidence", at, DAILY_EVIDENCE):
        frames.keep(db, origin, evidence)
    count_repairs(db, origin, [(repair.kind, repair.sample) for repair in repairs])
    failures = amend(db, origin) if amend is not None else []
    result = write(db, origin, *args)
    message, most_starts = bound
    if message is not None:
        rates.check(db, origin, message, most_starts)
    return result, failures


Handler = Callable[[Exchange, Any], Awaitable[object]]
"""Takes the request (a dataclass of `ocpp.v16.call`), gives the answer (one of `call_result`)."""


def check_call(call: Call, *, strict: bool) -> None:
    """Raises Refused for what is no valid CALL at first sight and would be refused in the end."""
    check_action(call.action)
    if not isinstance(call.payload, dict) and call.action not in TRANSACTION_MESSAGES:
        read_request(call.action, call.payload, strict=strict)


async def answer(exchange: Exchange, handlers: Mapping[str, Handler]) -> str:
    """The text that answers a CALL; what it promises is committed.

    Raises:
        StoreUnavailable: nothing may be answered, for nothing could be stored.
    """
    began, code = time.perf_counter(), None
    try:
        result = await _handle(exchange, handlers)
        text = result_text(exchange.call.raw_id, write_payload(result))
    except StoreUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of one message: a bug costs this one and no other
        code = error.code if isinstance(error, Refused) else ErrorCode.INTERNAL_ERROR
        text = await _recover(exchange, error)
    if exchange.central.hooks.is_observed:
        exchange.central.hooks.observe(_handled(exchange, time.perf_counter() - began, code))
    return text


def _handled(exchange: Exchange, seconds: float, code: str | None) -> MessageHandled:
    action = exchange.call.action
    return MessageHandled(
        charger=exchange.charger,
        action=action if action in CHARGER_ACTIONS else UNKNOWN_ACTION,
        seconds=seconds,
        request=exchange.request,
        code=code,
        repairs=exchange.mended,
    )


async def _handle(exchange: Exchange, handlers: Mapping[str, Handler]) -> object:
    action, strict = exchange.call.action, exchange.central.config.strict
    read = read_request(action, _kept(exchange), strict=strict)
    exchange.request, exchange.repairs = read.message, exchange.repairs + read.repairs
    exchange.amendment = exchange.central.hooks.amendment(read.message)
    exchange.mended = tuple([repair.kind for repair in exchange.repairs])
    if action in BOUNDED_MESSAGES:
        exchange.bounded = exchange.message
    result = await handlers[action](exchange, read.message)
    if exchange.repairs:
        await exchange.write(_nothing)
    return result


def _kept(exchange: Exchange) -> object:
    """The payload as its rows keep it."""
    payload = exchange.call.payload
    if may_be_long(exchange.text) and (kept := cut_texts(payload)) != payload:
        if exchange.call.action not in BOUNDED_MESSAGES:  # which are kept whole with what they add
            exchange.evidence = exchange.message
        return kept
    return payload


def _nothing(db: UnitOfWork, origin: Origin) -> None:
    """For messages that store nothing but were repaired."""


async def _recover(exchange: Exchange, error: Exception) -> str:
    call, strict = exchange.call, exchange.central.config.strict
    if isinstance(error, Refused):
        log.warning("refused", action=call.action, code=error.code, reason=error.description)
        refusal = error
    else:
        log.error("a handler failed", action=call.action, exc_info=error)
        refusal = Refused(ErrorCode.INTERNAL_ERROR, "the message could not be handled; it was logged")
    if call.action in TRANSACTION_MESSAGES and not (strict and refusal is error):
        return result_text(call.raw_id, write_payload(await _set_aside(exchange, refusal.description)))
    return error_text(call.raw_id, refusal.code, refusal.description)


async def _set_aside(exchange: Exchange, reason: str) -> object:
    message = exchange.bounded = exchange.message
    if message.action == "StartTransaction":
        started = await exchange.write(start_unreadable, message, reason)
        exchange.central.has_charged.add(exchange.charger)
        return call_result.StartTransaction(started.transaction, {"status": started.verdict})
    if message.action == "MeterValues":
        await exchange.write(set_aside, message, reason)
        return call_result.MeterValues()
    await exchange.write(stop_unreadable, message, reason)
    return call_result.StopTransaction()
