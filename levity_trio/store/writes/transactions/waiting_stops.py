"""Stops that were set aside because nothing showed their transaction, until its readings arrive.

An offline charger may send the stop of a transaction, whose start was lost, before the readings that show its energy.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.moments import understand
from levity_trio.charging.sent.readings import Reading, are_meter_values, read
from levity_trio.store.evidence import evidence_of
from levity_trio.store.settled import SYSTEM
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import message_parts, set_aside
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions import readings, stops, unknown_starts
from levity_trio.store.writes.transactions.attaching import MADE, link
from levity_trio.store.writes.transactions.readings import Batch
from levity_trio.store.writes.transactions.requests import LOCAL, WITHOUT_ID, Stop, StopWithData

CAME: Final = "readings with its transactionId arrived later"
"""Why a stop no longer waits."""
MOST_COMPARED: Final = 20
"""The newest messages of a charger that were set aside, among which its stop is looked for."""
_NEWEST: Final = (
    "SELECT set_aside.id, looked_at, tx_id, set_aside.session_id, received_at, set_aside.action,"  # noqa: S608 - ours
    f" payload, set_aside.message_id, coalesce(frame, '') FROM set_aside LEFT JOIN {evidence_of('set_aside')}"
    " WHERE set_aside.cp_id = ? ORDER BY set_aside.id DESC LIMIT ?"
)


class _Waiting(NamedTuple):
    """A stop that was set aside, and where it came from."""

    id: int
    received: Origin
    stop: Stop
    data: list[Reading]


def store(db: UnitOfWork, origin: Origin, batch: Batch, claimed: int | None) -> None:
    """Store a MeterValues. If a stop waits for such readings, a transaction is made of it; `claimed` is the
    transactionId of both."""
    is_unassigned = readings.store(db, origin, batch, claimed)
    if not is_unassigned or reported_id(claimed) is None:
        return
    for waiting in _waiting(db, origin):
        if waiting.stop.transaction == claimed:
            _make(db, origin, waiting)


def store_part(db: UnitOfWork, origin: Origin, message: Message, batch: Batch, claimed: int | None) -> bool:
    """Store one part of a large MeterValues; return whether it is new."""
    if message_parts.is_stored(db, origin, message):
        return False
    store(db, origin, batch, claimed)
    message_parts.note(db, origin, message, waits=False)
    return True


def _waiting(db: UnitOfWork, origin: Origin) -> Iterator[_Waiting]:
    newest = db.rows(_NEWEST, (origin.charger, MOST_COMPARED))
    for number, looked_at, transaction, session, received_at, *fields in newest:
        message = Message(*fields)
        is_waiting = message.action == "StopTransaction" and looked_at is None and transaction is None
        if is_waiting and message.frame and (told_again := _read(message, received_at)) is not None:
            yield _Waiting(number, Origin(origin.charger, session, received_at), *told_again)


def _read(message: Message, received_at: str) -> StopWithData | None:
    """Read a stop again; None if a field that is needed cannot be read, or if its transactionData needs a repair."""
    fields, received = set_aside.fields_of(message), datetime.fromisoformat(received_at)
    transaction, register, data = (fields.get(name) for name in ("transactionId", "meterStop", "transactionData"))
    transaction = WITHOUT_ID if transaction is None else transaction
    data = [] if data is None else data
    if type(transaction) is not int or type(register) is not int or not are_meter_values(data):
        return None
    moment = understand(set_aside.text_in(message, "timestamp"), received)
    reason = set_aside.text_in(message, "reason") or LOCAL
    stop = Stop(transaction, set_aside.text_in(message, "idTag"), register, moment, reason, message)
    return StopWithData(stop, read(data, received))


def _make(db: UnitOfWork, origin: Origin, waiting: _Waiting) -> None:
    """Make a transaction of a stop, as of its receipt, if readings now show its energy, and end it by that."""
    transaction = unknown_starts.begin(db, waiting.received, waiting.stop, waiting.data)
    if transaction is None:
        return
    stops.attach(db, origin, waiting.received, transaction, StopWithData(waiting.stop, waiting.data))
    how = (origin.received_at, SYSTEM, MADE, CAME)
    link(db, origin, waiting.id, waiting.stop.message.action, transaction, how)
