"""Transaction messages that are invalid or could not be handled: stored raw, and answered as if
they were valid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.readings import Reading, understand
from levity_trio.store.cases.neighbours import Course
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
from levity_trio.store.writes.transactions.readings import Batch, attach, is_ours
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.starts import insert, link_earlier, record_start
from levity_trio.store.writes.transactions.states import (
    Entry,
    Sign,
    add_event,
    load,
    resume,
    suspend_one,
)
from levity_trio.told import Told
from levity_trio.wire.texts import digest


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
    known = db.row(
        "SELECT tx.id, verdict, verdict_expiry, verdict_parent, verdict_reason FROM set_aside"
        " JOIN tx ON tx.id = set_aside.tx_id AND tx.status = 'Active'"
        " WHERE set_aside.cp_id = ? AND action = ? AND digest = ?",
        (origin.charger, message.action, digest(message.payload)),
    )
    if known is None:
        started = _open(db, origin, message, reason, policy)
    else:
        started = Started(known[0], Verdict(*known[1:]))
        moment = understand(
            text_in(message, "timestamp"), datetime.fromisoformat(origin.received_at)
        )
        resume(
            db,
            origin,
            load(db, started.transaction),
            Sign(Cause.START_REPEATED, message.action, moment),
        )
    set_aside(db, origin, message, reason, started.transaction)
    return started


def _open(db: UnitOfWork, origin: Origin, message: Message, reason: str, policy: Policy) -> Started:
    connector = number_in(message, "connectorId") or None  # 0 is the charger as a whole
    moment = understand(text_in(message, "timestamp"), datetime.fromisoformat(origin.received_at))
    meter_start = number_in(message, "meterStart")
    sent = None if meter_start is not None else raw_in(message, "meterStart")
    id_tag = text_in(message, "idTag")
    fields = (connector, id_tag, meter_start, sent, number_in(message, "reservationId"))
    verdict = policy.judge_unreadable()
    if id_tag is not None:
        verdict = judge_start(db, policy, origin, connector, id_tag).verdict
    tx = insert(db, origin, moment, Judged(verdict), fields)
    added = add_event(db, origin, tx.id, Entry(Kind.START, "charger", moment, reason, message))
    doubt = Doubt(
        Code.START_UNREADABLE,
        Told("its start could not be read: {1}", reason),
        (reason, Told("kept raw in set_aside")),
    )
    open_review(db, tx.id, doubt, added.id, origin.received_at)
    record_start(db, origin, tx, Judged(verdict))
    if moment.is_believable and connector is not None:
        course = Course(db.rows, origin.charger)
        link_earlier(db, origin, tx, course)
        compare_neighbours(db, origin, load(db, tx.id), course)
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
    if (transaction := _named(db, origin, message)) is not None:
        for readings in data:
            attach(db, origin, origin, transaction, Batch(0, STOP_DATA, readings, transaction))
        suspend_one(db, origin, load(db, transaction), Cause.STOP_UNREADABLE)


def _named(db: UnitOfWork, origin: Origin, message: Message) -> int | None:
    transaction = number_in(message, "transactionId")
    return (
        transaction
        if transaction is not None and is_ours(db, origin.charger, transaction)
        else None
    )
