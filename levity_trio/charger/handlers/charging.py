"""Authorize, StartTransaction, MeterValues, StopTransaction: the messages that move the bill (OCPP 1.6 §4)."""

from __future__ import annotations

from levity_trio.charger.exchange import Exchange, sent_number
from levity_trio.charging import readings
from levity_trio.charging.moments import understand
from levity_trio.charging.readings import Reading
from levity_trio.store.faults import RateExceeded
from levity_trio.store.writes import authorization
from levity_trio.store.writes.rates import READINGS_OF_STARTS
from levity_trio.store.writes.transactions import starts, stops
from levity_trio.store.writes.transactions.readings import Batch, store
from levity_trio.store.writes.transactions.requests import Start, Stop
from levity_trio.wire.payloads import call, call_result

LOCAL = "Local"
READINGS_AT_ONCE = 500
"""Of one write: a message may hold thousands, and all other chargers wait for a commit."""


async def authorize(exchange: Exchange, request: call.Authorize) -> call_result.Authorize:
    """§4.1: judge a tag."""
    verdict = await exchange.write(authorization.authorize, request.id_tag)
    return call_result.Authorize(id_tag_info={"status": verdict})


async def start_transaction(exchange: Exchange, request: call.StartTransaction) -> call_result.StartTransaction:
    """§4.8: open a transaction, once for however often this message comes."""
    start = Start(
        connector=request.connector_id,
        id_tag=request.id_tag,
        meter_start=request.meter_start,
        moment=understand(request.timestamp, exchange.at),
        reservation_id=request.reservation_id,
        message=exchange.message,
        sent_meter_start=sent_number(exchange.call.payload, "meterStart"),
    )
    started = await exchange.write(starts.start, start)
    exchange.central.has_charged.add(exchange.charger)
    return call_result.StartTransaction(started.transaction, {"status": started.verdict})


async def meter_values(exchange: Exchange, request: call.MeterValues) -> call_result.MeterValues:
    """§4.7: keep every reading."""
    found = readings.read(request.meter_value, exchange.at)
    _check_rate(exchange, len(found))
    for part in _parts(found):
        await exchange.write(store, Batch(request.connector_id, "MeterValues", part), request.transaction_id)
    return call_result.MeterValues()


async def stop_transaction(exchange: Exchange, request: call.StopTransaction) -> call_result.StopTransaction:
    """§4.10: close a transaction; one that cannot be found is set aside, and answered all the same."""
    stop = Stop(
        transaction=request.transaction_id,
        id_tag=request.id_tag,
        meter_stop=request.meter_stop,
        moment=understand(request.timestamp, exchange.at),
        reason=request.reason or LOCAL,
        message=exchange.message,
        sent_meter_stop=sent_number(exchange.call.payload, "meterStop"),
    )
    *ahead, last = _parts(readings.read(request.transaction_data or (), exchange.at)) or [[]]
    for part in ahead:
        await exchange.write(stops.store_ahead, stop, part)
    verdict = await exchange.write(stops.stop, stop, last)
    return call_result.StopTransaction(id_tag_info={"status": verdict} if verdict else None)


def _check_rate(exchange: Exchange, count: int) -> None:
    """In memory: a row for each message would cost its share of every one. Raises RateExceeded."""
    told, today = exchange.central.readings, exchange.at.date()
    day, before = told.get(exchange.charger, (today, 0))
    told[exchange.charger] = (today, before + count if day == today else count)
    most = READINGS_OF_STARTS * exchange.central.config.max_starts
    if told[exchange.charger][1] > most:
        raise RateExceeded(f"more than {most} readings a day")


def _parts(found: list[Reading]) -> list[list[Reading]]:
    return [found[first : first + READINGS_AT_ONCE] for first in range(0, len(found), READINGS_AT_ONCE)]
