"""What a transaction message says, as the writes take it: when it arrives, and when it is read again.

A message that was set aside is read again from its frame, once an operator knows its transaction. Fields that could not
be read are replaced by those that the operator gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from levity_trio.charging.sent import readings
from levity_trio.charging.sent.readings import Reading, understand
from levity_trio.store.writes.origin import Message
from levity_trio.store.writes.transactions.readings import Batch
from levity_trio.store.writes.transactions.requests import LOCAL, Stop, StopWithData
from levity_trio.wire.errors import Refused
from levity_trio.wire.frames import Call, parse_frame
from levity_trio.wire.payloads import call, read_request
from levity_trio.wire.texts import cut, cut_texts

NUMBER_CHARACTERS: Final = 64
"""Maximum length of a number as it was sent, kept beside the one that was read."""
READINGS_AT_ONCE: Final = 500
"""Maximum readings of one write. A message may hold thousands, and all other chargers wait for its commit."""
LIVE_AT_ONCE: Final = 125
"""The same of a MeterValues, of which the readings of each time may be looked at by themselves."""
READ_AGAIN: Final = frozenset({"StopTransaction", "MeterValues"})


class Unreadable(Exception):
    """A message that was set aside cannot be read, not even with the given values. Its text says why."""


def told_by_stop(request: call.StopTransaction, payload: object, message: Message, at: datetime) -> StopWithData:
    """Return a stop and its transactionData. `payload` is the stop as sent, `at` the time of receipt."""
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
    """Return the transactionData of a stop whose meterStop cannot be read; empty if more of it cannot be."""
    sent = payload if isinstance(payload, dict) else {}
    try:
        request = read_request("StopTransaction", cut_texts(sent) | {"meterStop": 0}, strict=False).message
    except Refused:
        return []
    return readings.read(request.transaction_data or (), at)


def parts(found: list[Reading], few: int = READINGS_AT_ONCE) -> list[list[Reading]]:
    """Cut the readings of one message into those of single writes: where the time changes after a few of them."""
    if len(found) <= few:  # nearly all messages
        return [found] if found else []
    cut, begin = list[list[Reading]](), 0
    for end in range(1, len(found) + 1):
        is_new_time = end == len(found) or found[end].timestamp != found[end - 1].timestamp
        if end - begin >= (few if is_new_time else READINGS_AT_ONCE) or end == len(found):
            cut.append(found[begin:end])
            begin = end
    return cut


def sent_number(payload: object, name: str) -> str | None:
    """Return a number of a payload as it was sent, None if it was an integer or absent."""
    sent = payload.get(name) if isinstance(payload, dict) else None
    return None if sent is None or type(sent) is int else str(sent)[:NUMBER_CHARACTERS]


def read_again(frame: str, received_at: datetime, given: Mapping[str, object]) -> StopWithData | Batch:
    """Read the frame of a stop or of a MeterValues that was set aside.

    `given` are the values of fields that could not be read, by their names on the wire. Raises Unreadable.
    """
    sent = parse_frame(frame)
    if not isinstance(sent, Call) or sent.action not in READ_AGAIN:
        raise Unreadable("only a StopTransaction or a MeterValues can be applied to a transaction")
    payload: dict[str, Any] = cut_texts(sent.payload if isinstance(sent.payload, dict) else {}) | given
    try:
        request = read_request(sent.action, payload, strict=False).message
    except Refused as refused:
        raise Unreadable(refused.description) from refused
    kept = orjson.dumps(sent.payload).decode() if isinstance(sent.payload, dict) else frame
    if sent.action == "StopTransaction":
        return told_by_stop(request, payload, Message(sent.action, kept, cut(sent.raw_id), frame), received_at)
    found = readings.read(request.meter_value, received_at)
    return Batch(request.connector_id, sent.action, found, request.transaction_id)
