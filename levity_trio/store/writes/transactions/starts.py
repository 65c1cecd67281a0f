"""StartTransaction: opens a transaction once, however often the message is sent
(§4.8), and links the readings to it that arrived before."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import TABLE, Cause, Kind
from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Moment, corrected
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import TransactionStarted
from levity_trio.store.cases.neighbours import ChargerHistory, is_other_meter
from levity_trio.store.cases.transaction import COLUMNS, LAST_TIME, StoredTransaction
from levity_trio.store.engine.database import marks
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import set_aside
from levity_trio.store.writes.chargers.effects import use_reservation
from levity_trio.store.writes.chargers.hiding import show
from levity_trio.store.writes.origin import Message, Opening, Origin, Start, Started
from levity_trio.store.writes.people.authorization import Judged, judge_start, record_refusal
from levity_trio.store.writes.transactions.judging import (
    compare_neighbours,
    judge_by_late_message,
    judge_now,
)
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    Sign,
    add_event,
    ahead_in_queue,
    load,
    resume,
    state,
    wait_again,
)
from levity_trio.wire.texts import digest

STARTS_COMPARED = 50
"""The newest equal starts that are compared. If the clock is never set and the register restarts at
0, all of a tag are equal."""


def start(db: UnitOfWork, origin: Origin, request: Start, policy: Policy = Policy()) -> Started:  # noqa: B008 - immutable
    """Open a transaction, or return the one that this message opened before. A refused tag changes
    only the verdict."""
    entry = EventEntry(Kind.START, "charger", request.moment, None, request.message)
    started = started_before(db, origin, request, request.message)
    if started is not None:
        add_event(db, origin, started.transaction, entry)
        sign = Sign(Cause.START_REPEATED, "StartTransaction", request.moment)
        resume(db, origin, load(db, started.transaction), sign)
        wait_again(db, origin, started.transaction)
        return started

    judged = judge_start(db, policy, origin, request.connector, request.id_tag)
    fields = StartFields(
        request.connector,
        request.id_tag,
        request.meter_start,
        request.sent_meter_start,
        request.reservation_id,
    )
    tx = insert(db, origin, request.moment, judged, fields)
    add_event(db, origin, tx.id, entry)
    record_start(db, origin, tx, judged)
    use_reservation(db, origin, tx, request.reservation_id, judged.verdict.parent)

    history = ChargerHistory(db.rows, origin.charger)
    if request.moment.is_believable:
        tx = link_earlier(db, origin, tx, history)
    if judge_by_late_message(db, origin, request.moment):
        tx = load(db, tx.id)
    compare_neighbours(db, origin, tx, history)
    return Started(tx.id, judged.verdict, judged.is_asked)


_EQUAL_STARTS = """
    SELECT id, status = 'Active', created_at, sent_stop_time, stop_received_at,
        stopped_by = 'system' AND last_reading_at IS NULL, is_asked,
        verdict, verdict_expiry, verdict_parent, verdict_reason
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND id_tag = ? AND sent_start_time = ? AND meter_start = ?
    ORDER BY id DESC
    LIMIT ?
"""
_ANY_LATER = """
    SELECT 1
    FROM tx
    WHERE cp_id = ? AND conn_id = ? AND created_at > ? AND imported_id IS NULL
    LIMIT 1
"""
_SAME_MESSAGE = """
    SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'start' AND digest = ? AND message_id = ?
"""


def started_before(
    db: UnitOfWork, origin: Origin, request: Opening, message: Message | None = None
) -> Started | None:
    """Return the transaction that this start opened before, and its verdict.

    A plausible time of a running clock identifies the start permanently. Otherwise the start is a
    repetition if the found transaction is open, if it has only a start and no later transaction
    follows it, or if the same message was received before.
    """
    place = (origin.charger, request.connector)
    same = (request.id_tag, request.moment.sent, request.meter_start)
    for row in db.rows(_EQUAL_STARTS, (*place, *same, STARTS_COMPARED)):
        transaction, is_open, created_at, sent_stop_time, stopped_at, is_start_only = row[:6]
        is_asked, *verdict = row[6:]
        started = Started(transaction, Verdict(*verdict), bool(is_asked))
        if is_open:
            return started

        # A clock stands still if start and stop have one time, though they were received apart.
        stands_still = False
        if stopped_at is not None and sent_stop_time == request.moment.sent:
            stands_still = seconds(stopped_at) - seconds(created_at) > CLOCK_SECONDS
        if request.moment.is_believable and not stands_still:
            return started
        if is_start_only and db.row(_ANY_LATER, (*place, created_at)) is None:
            return started
        if message is not None:
            sent = (digest(message.payload), message.message_id)
            if db.row(_SAME_MESSAGE, (transaction, *sent)) is not None:
                return started
    return None


class StartFields(NamedTuple):
    """The fields of a start that are stored as they are. The register is in Wh; `sent_meter_start`
    is the register as sent."""

    connector: int | None
    id_tag: str | None
    meter_start: int | None
    sent_meter_start: str | None = None
    reservation_id: int | None = None


_INSERT = f"""
    INSERT INTO tx (
        cp_id, session_id, start_time, own_start_time, sent_start_time, start_skew_seconds,
        conn_id, id_tag, meter_start, sent_meter_start, reservation_id,
        verdict, verdict_expiry, verdict_parent, verdict_reason, is_asked,
        created_at, updated_at, told_id
    )
    VALUES ({marks(range(19))})
    RETURNING {COLUMNS}
"""  # noqa: S608 - our own names
_TOUCH = """
    UPDATE cp
    SET last_tx_start_at = max(coalesce(last_tx_start_at, ''), ?), updated_at = ?
    WHERE id = ?
"""


def insert(
    db: UnitOfWork,
    origin: Origin,
    moment: Moment,
    judged: Judged,
    fields: StartFields,
    told_id: int | None = None,
) -> StoredTransaction:
    """Insert a transaction, and store the time of its charger's last start. One whose start never
    came is known again by `told_id`, the id in its stop."""
    at = origin.received_at
    start_time = corrected(moment, at, ahead_in_queue(db, origin, moment))
    times = (start_time, moment.understood, moment.sent, moment.skew_seconds)
    verdict = (*judged.verdict, judged.is_asked)
    values = (origin.charger, origin.session, *times, *fields, *verdict, at, at, told_id)
    ((*row,),) = db.rows(_INSERT, values)
    db.execute(_TOUCH, (start_time, at, origin.charger))
    # A hidden charger that charges is shown again.
    show(db, origin.charger, origin.received_at, origin.session)
    return StoredTransaction(*row)


def record_start(db: UnitOfWork, origin: Origin, tx: StoredTransaction, judged: Judged) -> None:
    """Record that a transaction began, and that its tag was refused, unless somebody is still being
    asked about it."""
    about = tx.about(origin.received_at)
    fact = TransactionStarted(**about, id_tag=tx.id_tag, meter_start_wh=tx.meter_start)
    db.record(fact, origin.session)
    if not judged.is_asked:
        record_refusal(db, origin, tx.id, judged.verdict)


# The readings that arrived before a start

_UNASSIGNED = """
    cp_id = ?2 AND conn_id = ?3 AND timestamp >= ?4 AND timestamp < ?5
    AND tx_id IS NULL AND imported_id IS NULL AND (?7 OR timestamp <> received_at)
"""
_LINK = f"""
    UPDATE meter_val
    SET tx_id = ?1
    WHERE {_UNASSIGNED}
        AND coalesce(told_id, 0) IN (0, -1, coalesce(?6, (
            SELECT told_id
            FROM meter_val
            WHERE {_UNASSIGNED} AND told_id NOT IN (0, -1)
            ORDER BY timestamp, id
            LIMIT 1
        )))
    RETURNING timestamp, wh
"""  # noqa: S608 - our own names
_LAST_READING = "UPDATE tx SET last_reading_at = ?, last_register_wh = ? WHERE id = ?"


def link_earlier(
    db: UnitOfWork, origin: Origin, tx: StoredTransaction, history: ChargerHistory
) -> StoredTransaction:
    """Link readings of its connector that arrived before its start, as an offline charger may send
    them. Return it as stored.

    These are unassigned, lie between this start and the next, and have one transactionId: that of
    the stop if the start is unknown, otherwise that of the first such reading. A reading without a
    plausible time that arrived before the start belongs to the previous transaction, even if the
    start has an earlier time.
    """
    begun = tx.own_start_time
    is_without_start = tx.told_id is not None
    before, after = history.around(tx)
    if before and not is_without_start and before[0].own_start_time < begun:
        # A reading without an id of ours that overtook this start was linked to the previous one.
        previous = before[0]
        if unlink_since(db, previous, begun, tx.meter_start):
            previous = load(db, previous.id)
            # The range of its register bounds that of this one.
            if TABLE[state(previous), Cause.LATER].kind is Kind.REJUDGE:
                judge_now(db, origin, previous, Cause.LATER)
            history.forget()

    ended = after[0].own_start_time if after else LAST_TIME
    place = (tx.charger, tx.connector, begun, ended)
    linked = db.rows(_LINK, (tx.id, *place, reported_id(tx.told_id), is_without_start))
    if not linked:
        return tx
    registers = [reading for reading in linked if reading[1] is not None]
    register = max(registers)[1] if registers else None
    last_at = max(timestamp for timestamp, _ in linked)
    db.execute(_LAST_READING, (last_at, register, tx.id))
    return load(db, tx.id)


_OVERTAKING = """
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp > ? AND tx_id = ?
        AND source = 'MeterValues' AND timestamp <> received_at
        AND NOT EXISTS (SELECT 1 FROM tx AS named WHERE named.id = meter_val.told_id)
"""
_LOWEST = f"SELECT count(*), min(wh) {_OVERTAKING}"
_HIGHEST_BEFORE = """
    SELECT max(wh)
    FROM meter_val
    WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?
"""
_UNLINK = f"UPDATE meter_val SET tx_id = NULL WHERE id IN (SELECT id {_OVERTAKING})"  # noqa: S608 - our own names
_LEFT = """
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5
"""
_REACHED = f"""
    UPDATE tx
    SET last_reading_at = (SELECT max(timestamp) {_LEFT}),
        previous_register_wh = NULL,
        last_register_wh = (
            SELECT wh {_LEFT} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1
        )
    WHERE id = ?5
"""  # noqa: S608 - our own names


def unlink_since(db: UnitOfWork, tx: StoredTransaction, since: str, begin: int | None) -> bool:
    """Unlink the readings that a transaction has though the next one began before them, at the
    register `begin` in Wh; return whether there are any.

    A charger that comes back may send a reading ahead of its queue, when its last transaction still
    seems open. Without an id of ours nothing else shows what it belongs to.
    """
    if (tx.last_reading_at or "") < since:
        return False
    # A reading up to the time of the charger's stop stays.
    stopped = "" if tx.stopped_by == "system" else tx.own_stop_time or ""
    overtaking = (tx.charger, tx.connector, since, stopped, tx.id)
    ((number, lowest),) = db.rows(_LOWEST, overtaking)
    if not number:
        return False

    # If one is below the start of the next, their clock was set back, so all stay. Not so if it is
    # of a new meter, or below the readings before: then it counts each transaction.
    is_below = lowest is not None and begin is not None and lowest < begin
    if is_below and not is_other_meter(db.rows, tx.charger, tx.created_at, LAST_TIME):
        before = (tx.charger, tx.connector, tx.own_start_time, since, tx.id)
        ((highest,),) = db.rows(_HIGHEST_BEFORE, before)
        if highest is None or lowest >= highest:
            return False

    db.execute(_UNLINK, overtaking)
    set_aside.put_back_readings(db, tx.id, since)
    place = (tx.charger, tx.connector, tx.own_start_time, tx.last_reading_at)
    db.execute(_REACHED, (*place, tx.id))
    return True
