"""Stops that were set aside because nothing showed their transaction, until its start or its readings arrive.

An offline charger may send the stop of a transaction, whose start was lost, before the readings that show its energy.
If it repeats a start that got no answer, its stop, which cannot have our id, may overtake that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy
from levity_trio.charging.lifecycle import State
from levity_trio.charging.names import reported_id
from levity_trio.charging.reviews import Doubt
from levity_trio.charging.sent.moments import Moment, understand
from levity_trio.charging.sent.readings import Reading, are_meter_values, read
from levity_trio.charging.tolerances import AHEAD_SECONDS
from levity_trio.events import MessageAttached
from levity_trio.store.evidence import evidence_of
from levity_trio.store.settled import SYSTEM
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes import message_parts, set_aside
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions import finding, late_starts, readings, starts, stops, unknown_starts
from levity_trio.store.writes.transactions.attaching import ATTACHED, MADE
from levity_trio.store.writes.transactions.readings import Batch
from levity_trio.store.writes.transactions.requests import LOCAL, WITHOUT_ID, Start, Started, Stop, StopWithData
from levity_trio.store.writes.transactions.states import load, state, told

READINGS: Final = (MADE, "readings with its transactionId arrived later")
START: Final = (ATTACHED, "its start arrived later")
"""How a stop that waited is resolved, and why."""
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


def start(db: UnitOfWork, origin: Origin, request: Start, policy: Policy = Policy()) -> Started:  # noqa: B008 - immutable
    """Store a StartTransaction, which may be that of a transaction without one. If a stop without an id of ours waits
    that fits it, and no other one does, it ends by that."""
    if (without_start := late_starts.find(db, origin, request)) is not None:
        return late_starts.take(db, origin, request, without_start, policy)
    started = starts.start(db, origin, request, policy)
    if not _is_late(request.moment) or state(load(db, started.transaction)) is not State.OPEN:
        return started
    found = [
        (waiting, finding.find(db, waiting.received, waiting.stop, waiting.data, policy))
        for waiting in _without_start(db, origin)
    ]
    fitting = [(waiting, match) for waiting, match in found if match.transaction == started.transaction]
    if len(fitting) == 1:
        waiting, match = fitting[0]
        _attach(db, origin, waiting, started.transaction, START, match.doubt)
    return started


def _is_late(moment: Moment) -> bool:
    """Whether a start waited on its way, so that its own stop may have overtaken it."""
    return moment.is_believable and (moment.skew_seconds or 0) < -AHEAD_SECONDS


def _without_start(db: UnitOfWork, origin: Origin) -> list[_Waiting]:
    """Return the waiting stops without an id of ours whose clock was set: without times, nothing shows which came
    first."""
    waiting = [one for one in _waiting(db, origin) if one.stop.moment.is_believable]
    return [one for one in waiting if told(db, origin.charger, one.stop.transaction) is None]


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
    """Make a transaction of a stop, as of its receipt, if readings now show its energy."""
    transaction = unknown_starts.begin(db, waiting.received, waiting.stop, waiting.data)
    if transaction is not None:
        _attach(db, origin, waiting, transaction, READINGS)


def _attach(
    db: UnitOfWork,
    origin: Origin,
    waiting: _Waiting,
    transaction: int,
    resolution: tuple[str, str],
    doubt: Doubt | None = None,
) -> None:
    """End a transaction by a stop that waited for it."""
    how, reason = resolution
    doubts = () if doubt is None else (doubt,)
    stops.attach(db, origin, waiting.received, transaction, StopWithData(waiting.stop, waiting.data), doubts)
    set_aside.resolve(db, waiting.id, transaction, (origin.received_at, SYSTEM, how, reason))
    fact = MessageAttached(
        charger=origin.charger,
        at=origin.received_at,
        set_aside=waiting.id,
        action=waiting.stop.message.action,
        transaction=transaction,
        by=SYSTEM,
        reason=reason,
    )
    db.record(fact, origin.session)
