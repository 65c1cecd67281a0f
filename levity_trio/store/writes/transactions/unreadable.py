"""Transaction messages that are invalid or could not be handled: stored raw, and answered as if
they were valid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.readings import Moment, Reading, understand
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers.set_aside import set_aside
from levity_trio.store.writes.origin import (
    STOP_DATA,
    Message,
    Origin,
    Started,
    number_in,
    raw_in,
    text_in,
)
from levity_trio.store.writes.people.authorization import Judged, judge_start
from levity_trio.store.writes.transactions.judging import compare_neighbours
from levity_trio.store.writes.transactions.readings import MessageReadings, attach, is_ours
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.starts import (
    StartFields,
    insert,
    link_earlier,
    record_start,
)
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    Sign,
    add_event,
    load,
    resume,
    suspend_one,
)
from levity_trio.told import Told
from levity_trio.wire.texts import digest

_OPENED_BEFORE = """
    SELECT tx.id, verdict, verdict_expiry, verdict_parent, verdict_reason
    FROM set_aside
    JOIN tx ON tx.id = set_aside.tx_id AND tx.status = 'Active'
    WHERE set_aside.cp_id = ? AND action = ? AND digest = ?
"""


def start_unreadable(
    db: UnitOfWork,
    origin: Origin,
    message: Message,
    reason: str,
    policy: Policy = Policy(),  # noqa: B008 - immutable
) -> Started:
    """Open a real transaction for a start that is invalid or could not be handled, because its car
    may be charging.

    After an error response the charger would repeat the start forever or discard it, and its energy
    would be lost. Every readable field is stored. The start counts as a repetition only of an open
    transaction: a superfluous transaction costs nothing, but a match with a closed one would lose
    the energy of a new one.
    """
    received = datetime.fromisoformat(origin.received_at)
    moment = understand(text_in(message, "timestamp"), received)
    same = (origin.charger, message.action, digest(message.payload))
    opened = db.row(_OPENED_BEFORE, same)
    if opened is None:
        started = _open(db, origin, message, moment, reason, policy)
    else:
        transaction, *verdict = opened
        started = Started(transaction, Verdict(*verdict))
        sign = Sign(Cause.START_REPEATED, message.action, moment)
        resume(db, origin, load(db, transaction), sign)
    set_aside(db, origin, message, reason, started.transaction)
    return started


def _open(
    db: UnitOfWork, origin: Origin, message: Message, moment: Moment, reason: str, policy: Policy
) -> Started:
    connector = number_in(message, "connectorId") or None  # 0 is the charger as a whole
    id_tag = text_in(message, "idTag")
    meter_start = number_in(message, "meterStart")
    sent_meter_start = None if meter_start is not None else raw_in(message, "meterStart")
    reservation = number_in(message, "reservationId")
    fields = StartFields(connector, id_tag, meter_start, sent_meter_start, reservation)
    verdict = policy.judge_unreadable()
    if id_tag is not None:
        verdict = judge_start(db, policy, origin, connector, id_tag).verdict
    tx = insert(db, origin, moment, Judged(verdict), fields)
    added = add_event(db, origin, tx.id, EventEntry(Kind.START, "charger", moment, reason, message))
    words = Told("its start could not be read: {1}", reason)
    doubt = Doubt(Code.START_UNREADABLE, words, (reason, Told("kept raw in set_aside")))
    open_review(db, tx.id, doubt, added.id, origin.received_at)
    record_start(db, origin, tx, Judged(verdict))
    if moment.is_believable and connector is not None:
        history = ChargerHistory(db.rows, origin.charger)
        link_earlier(db, origin, tx, history)
        compare_neighbours(db, origin, load(db, tx.id), history)
    return Started(tx.id, verdict)


def stop_unreadable(
    db: UnitOfWork,
    origin: Origin,
    message: Message,
    reason: str,
    data: Iterable[list[Reading]] = (),
) -> None:
    """Store a stop raw that is invalid or could not be handled, and its transactionData with the
    transaction that it names. That has probably ended, so it is suspended, and is closed by a
    status of its connector or after a time."""
    set_aside(db, origin, message, reason)
    transaction = number_in(message, "transactionId")
    if transaction is None or not is_ours(db, origin.charger, transaction):
        return
    for readings in data:
        part = MessageReadings(0, STOP_DATA, readings, transaction)
        attach(db, origin, origin, transaction, part)
    suspend_one(db, origin, load(db, transaction), Cause.STOP_UNREADABLE)
