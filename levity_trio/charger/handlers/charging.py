"""Authorize, StartTransaction, MeterValues, StopTransaction: the messages that affect the bill
(OCPP 1.6 §4)."""

from __future__ import annotations

from functools import partial

from levity_trio.access.tags import Verdict
from levity_trio.charger.exchange import Exchange, sent_number, told_by_stop
from levity_trio.charging.sent import readings
from levity_trio.charging.sent.readings import understand
from levity_trio.events import ReadingReceived, TagJudged
from levity_trio.store.engine.faults import RateExceeded
from levity_trio.store.writes.origin import Start
from levity_trio.store.writes.people.tags import present_tag, settle_verdict
from levity_trio.store.writes.site.frames import (
    READING_BYTES,
    READINGS_AT_ONCE,
    READINGS_OF_STARTS,
    check_readings,
)
from levity_trio.store.writes.transactions import decisions, starts, stops
from levity_trio.told import Told
from levity_trio.wire.numbers import is_signed
from levity_trio.wire.payloads import call, call_result

WATCHED = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import")
SECONDS = len("2026-03-01T12:00:00")
"""Characters of a time up to its seconds, in the database's format and on the wire."""


async def authorize(exchange: Exchange, request: call.Authorize) -> call_result.Authorize:
    """§4.1: authorize an ID tag, from memory. The response promises no storage, so it does not wait
    for the disk."""
    policy, tags, at = exchange.policy, exchange.central.tags, exchange.origin.received_at
    id_tag = request.id_tag
    key = policy.key(id_tag)
    tag = tags.find(key)
    verdict = policy.judge(key, tag, at)
    is_asked = policy.is_asked_outside(key, tag)
    # What withholds a tag here is final: nobody outside is asked any more.
    reason = tags.wallets.withhold(key, at)
    if reason is None and (verdict.is_accepted or is_asked):
        reason = tags.refusal(key, exchange.charger, None, at)
    if reason is not None:
        verdict = verdict.refused(reason)
    elif is_asked:
        verdict = await _ask_outside(exchange, id_tag, None) or verdict
    present = partial(present_tag, is_asked=policy.is_asked(key, tag))
    await exchange.note(present, key, id_tag, verdict)
    return call_result.Authorize(id_tag_info=_id_tag_info(exchange, id_tag, verdict))


async def start_transaction(
    exchange: Exchange, request: call.StartTransaction
) -> call_result.StartTransaction:
    """§4.8: open a transaction. Repeats of the same message return the same transaction."""
    await _check_rate(exchange, 0)
    start = Start(
        connector=request.connector_id,
        id_tag=request.id_tag,
        meter_start=request.meter_start,
        moment=understand(request.timestamp, exchange.at),
        reservation_id=request.reservation_id,
        message=exchange.message,
        sent_meter_start=sent_number(exchange.call.payload, "meterStart"),
    )
    started = await exchange.write(starts.start, start, exchange.policy)
    exchange.central.has_charged.add(exchange.charger)
    verdict = started.verdict
    if started.is_asked:
        # The start is committed by now: no answer from outside may cost energy.
        verdict = await _ask_outside(exchange, request.id_tag, request.connector_id) or verdict
        verdict = await exchange.write(settle_verdict, started.transaction, verdict)
    info = _id_tag_info(exchange, request.id_tag, verdict)
    return call_result.StartTransaction(started.transaction, info)


async def _ask_outside(exchange: Exchange, id_tag: str, connector: int | None) -> Verdict | None:
    ask = exchange.central.authorizer
    return None if ask is None else await ask(id_tag, exchange.charger, connector)


def _id_tag_info(exchange: Exchange, id_tag: str | None, verdict: Verdict) -> dict[str, str]:
    """Return a verdict on a tag as idTagInfo (§7.27), and publish it."""
    hooks, action = exchange.central.hooks, exchange.call.action
    if hooks.is_observed:
        hooks.observe(TagJudged(charger=exchange.charger, action=action, status=verdict.status))
    info = {"status": verdict.status}
    if verdict.expiry is not None:
        info["expiryDate"] = f"{verdict.expiry[:SECONDS]}Z"
    parent = verdict.parent
    if parent is None and verdict.is_accepted:
        # A household stops its session with any card: all of them have the group of its account.
        key = exchange.policy.key(id_tag or "")
        parent = exchange.central.tags.wallets.group(key, exchange.origin.received_at)
    if parent is not None:
        info["parentIdTag"] = parent
    return info


async def meter_values(exchange: Exchange, request: call.MeterValues) -> call_result.MeterValues:
    """§4.7: store all readings, and publish those of energy, power and current to who watches."""
    read = partial(readings.read, request.meter_value, exchange.at)
    read_values = await exchange.in_turn(read)
    await _check_rate(exchange, len(read_values))
    # Of a large message, only the readings at both ends were read here; `data` has all of them.
    data = exchange.data or [read_values]
    await exchange.write(
        decisions.store_readings, request.connector_id, data, request.transaction_id
    )

    if exchange.central.hooks.readings_watched_by:
        # What a meter signed is in no stream: it names a card.
        values = [
            (one.measurand, one.phase, one.value, one.unit)
            for one in read_values
            if one.measurand in WATCHED and not is_signed(one.value, one.format)
        ]
        if values:
            event = ReadingReceived(
                charger=exchange.charger,
                connector=request.connector_id,
                transaction=request.transaction_id,
                at=exchange.origin.received_at,
                values=tuple(values),
            )
            exchange.central.hooks.observe(event)
    return call_result.MeterValues()


async def stop_transaction(
    exchange: Exchange, request: call.StopTransaction
) -> call_result.StopTransaction:
    """§4.10: close a transaction. A stop that matches no transaction is set aside and answered like
    any other."""
    payload, at = exchange.call.payload, exchange.at
    stop, found = await exchange.in_turn(
        lambda: told_by_stop(request, payload, exchange.message, at)
    )
    await _check_rate(exchange, len(found))
    verdict = await exchange.write(stops.stop, stop, found, exchange.policy, exchange.data)
    info = _id_tag_info(exchange, stop.id_tag, verdict) if verdict else None
    return call_result.StopTransaction(id_tag_info=info)


async def _check_rate(exchange: Exchange, count: int) -> None:
    """Count a charger's readings of this day, and the length of its messages, in memory: a row
    would slow down every message. Raises RateExceeded."""
    counts, today, charger = exchange.central.readings, exchange.at.date(), exchange.charger
    if exchange.data is not None:
        # Only those at both ends of its list were read.
        count = exchange.text.count('"value"')
    # A long message with few readings counts as many, too.
    count = max(count, len(exchange.text) // READING_BYTES)
    day, before = counts.get(charger, (today, 0))
    if day != today:
        before = 0
    counts[charger] = today, before + count
    max_starts = exchange.central.config.max_starts
    most = READINGS_OF_STARTS * max_starts
    if before + count > most:
        raise RateExceeded(Told("more than {1} readings a day", most))

    # New chargers share another limit, which is in the database. It is asked only when the count
    # passes a multiple of READINGS_AT_ONCE.
    passed = (before + count) // READINGS_AT_ONCE - before // READINGS_AT_ONCE
    if passed:
        unasked = passed * READINGS_AT_ONCE
        try:
            await exchange.central.writer.run(check_readings, exchange.origin, unasked, max_starts)
        except RateExceeded:
            # The charger will send it again. With this count it would pass no multiple then, and be
            # let through.
            counts[charger] = today, before
            raise
