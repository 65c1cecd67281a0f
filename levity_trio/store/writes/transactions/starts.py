"""StartTransaction: opens a transaction once, however often the message is sent (rules.md,
Transactions; §4.8), and links the readings to it that arrived before (field.md B11)."""

from __future__ import annotations

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import TABLE, Cause, Kind
from levity_trio.charging.names import reported_id
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.readings import Moment, corrected
from levity_trio.charging.tolerances import CLOCK_SECONDS
from levity_trio.events import TransactionStarted
from levity_trio.store.cases.neighbours import Course, is_other_meter
from levity_trio.store.cases.transaction import COLUMNS, LAST_TIME, Known
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.writes.chargers import set_aside
from levity_trio.store.writes.chargers.effects import use_reservation
from levity_trio.store.writes.chargers.hiding import show
from levity_trio.store.writes.origin import Message, Opening, Origin, Start, Started
from levity_trio.store.writes.people.authorization import Judged, judge_start, record_refusal
from levity_trio.store.writes.transactions.judging import compare_neighbours, judge_now, look_again
from levity_trio.store.writes.transactions.states import (
    Entry,
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
_UNASSIGNED = (
    "cp_id = ?2 AND conn_id = ?3 AND timestamp >= ?4 AND timestamp < ?5 AND tx_id IS NULL AND "
    "imported_id IS NULL AND (?7 OR timestamp <> received_at)"
)
LINK = (
    "UPDATE meter_val SET tx_id = ?1 "  # noqa: S608
    f"WHERE {_UNASSIGNED} AND coalesce(told_id, 0) IN (0, -1, coalesce(?6, (SELECT told_id "
    f"FROM meter_val WHERE {_UNASSIGNED} AND told_id NOT IN (0, -1) ORDER BY timestamp, id "
    "LIMIT 1))) "
    "RETURNING timestamp, wh"
)
_OVERTAKING = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp > ? AND tx_id = ? "
    "AND source = 'MeterValues' AND timestamp <> received_at AND NOT EXISTS (SELECT 1 "
    "FROM tx AS named WHERE named.id = meter_val.told_id)"
)
LOWEST = f"SELECT count(*), min(wh) {_OVERTAKING}"
HIGHEST_BEFORE = (
    "SELECT max(wh) FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?"
)
UNLINK = f"UPDATE meter_val SET tx_id = NULL WHERE id IN (SELECT id {_OVERTAKING})"  # noqa: S608 - our own names
_LEFT = (
    "FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5"
)
REACHED = (
    "UPDATE tx "  # noqa: S608
    f"SET last_reading_at = (SELECT max(timestamp) {_LEFT}), previous_register_wh = NULL, "
    f"last_register_wh = (SELECT wh {_LEFT} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC "
    "LIMIT 1) "
    "WHERE id = ?5"
)


def start(db: UnitOfWork, origin: Origin, request: Start, policy: Policy = Policy()) -> Started:  # noqa: B008 - immutable
    """Open a transaction, or return the one that this message opened before. A refused tag changes
    only the verdict."""
    entry = Entry(Kind.START, "charger", request.moment, None, request.message)
    if known := started_before(db, origin, request, request.message):
        add_event(db, origin, known.transaction, entry)
        sign = Sign(Cause.START_REPEATED, "StartTransaction", request.moment)
        resume(db, origin, load(db, known.transaction), sign)
        wait_again(db, origin, known.transaction)
        return known
    judged = judge_start(db, policy, origin, request.connector, request.id_tag)
    fields = (
        request.connector,
        request.id_tag,
        request.meter_start,
        request.sent_meter_start,
        request.reservation_id,
    )
    tx, course = insert(db, origin, request.moment, judged, fields), Course(db.rows, origin.charger)
    add_event(db, origin, tx.id, entry)
    record_start(db, origin, tx, judged)
    use_reservation(db, origin, tx, request.reservation_id, judged.verdict.parent)
    if request.moment.is_believable:
        tx = link_earlier(db, origin, tx, course)
    if look_again(db, origin, request.moment):
        tx = load(db, tx.id)
    compare_neighbours(db, origin, tx, course)
    return Started(tx.id, judged.verdict, judged.is_asked)


def started_before(
    db: UnitOfWork, origin: Origin, request: Opening, message: Message | None = None
) -> Started | None:
    """Return the transaction that this start opened before, and its verdict.

    A plausible time of a running clock identifies the start permanently. Otherwise the start is a
    repetition if the found transaction is open, if it has only a start and no later transaction
    follows it, or if the same message was received before.
    """
    starts = db.rows(
        "SELECT id, status = 'Active', created_at, sent_stop_time, stop_received_at, "
        "stopped_by = 'system' AND last_reading_at IS NULL, is_asked, verdict, verdict_expiry, "
        "verdict_parent, verdict_reason "
        "FROM tx "
        "WHERE cp_id = ? AND conn_id = ? AND id_tag = ? AND sent_start_time = ? "
        "AND meter_start = ? "
        "ORDER BY id DESC LIMIT ?",
        (
            origin.charger,
            request.connector,
            request.id_tag,
            request.moment.sent,
            request.meter_start,
        )
        + (STARTS_COMPARED,),
    )
    for (
        transaction,
        is_open,
        created_at,
        sent_stop_time,
        stopped_at,
        is_untold,
        is_asked,
        *verdict,
    ) in starts:
        is_apart = (
            stopped_at is not None and seconds(stopped_at) - seconds(created_at) > CLOCK_SECONDS
        )
        stands_still = is_apart and sent_stop_time == request.moment.sent
        is_unique = request.moment.is_believable and not stands_still
        newer = (
            "SELECT 1 FROM tx "
            "WHERE cp_id = ? AND conn_id = ? AND created_at > ? AND imported_id IS NULL LIMIT 1"
        )
        is_alone = (
            is_untold and db.row(newer, (origin.charger, request.connector, created_at)) is None
        )
        same = (
            "SELECT 1 FROM tx_event "
            "WHERE tx_id = ? AND kind = 'start' AND digest = ? AND message_id = ?"
        )
        came = message and db.row(same, (transaction, digest(message.payload), message.message_id))
        if is_unique or is_open or is_alone or came:
            return Started(transaction, Verdict(*verdict), bool(is_asked))
    return None


Fields = tuple[int | None, str | None, int | None, str | None, int | None]
"""Connector, tag, register in Wh, the register as sent, reservation."""


def insert(
    db: UnitOfWork,
    origin: Origin,
    moment: Moment,
    judged: Judged,
    fields: Fields,
    told_id: int | None = None,
) -> Known:
    """Insert a transaction, and store the time of its charger's last start. One whose start never
    came is known again by `told_id`, the id in its stop."""
    at = origin.received_at
    start_time = corrected(moment, at, ahead_in_queue(db, origin, moment))
    ((*row,),) = db.rows(
        "INSERT INTO tx (cp_id, session_id, start_time, own_start_time, sent_start_time, "  # noqa: S608
        "start_skew_seconds, conn_id, id_tag, meter_start, sent_meter_start, reservation_id, "
        "verdict, verdict_expiry, verdict_parent, verdict_reason, is_asked, created_at, "
        "updated_at, told_id) "
        f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {COLUMNS}",
        (
            origin.charger,
            origin.session,
            start_time,
            moment.understood,
            moment.sent,
            moment.skew_seconds,
        )
        + (*fields, *judged.verdict, judged.is_asked, at, at, told_id),
    )
    touch = (
        "UPDATE cp "
        "SET last_tx_start_at = max(coalesce(last_tx_start_at, ''), ?), updated_at = ? "
        "WHERE id = ?"
    )
    db.execute(touch, (start_time, at, origin.charger))
    show(db, origin.charger, origin.received_at, origin.session)  # it charges
    return Known(*row)


def record_start(db: UnitOfWork, origin: Origin, tx: Known, judged: Judged) -> None:
    """Record that a transaction began, and that its tag was refused, unless somebody is still being
    asked about it."""
    fact = TransactionStarted(
        **tx.about(origin.received_at), id_tag=tx.id_tag, meter_start_wh=tx.meter_start
    )
    db.record(fact, origin.session)
    if not judged.is_asked:
        record_refusal(db, origin, tx.id, judged.verdict)


def link_earlier(db: UnitOfWork, origin: Origin, tx: Known, course: Course) -> Known:
    """Link readings of its connector that arrived before its start, as an offline charger may send
    them (field.md B11). Return it as stored.

    These are unassigned, lie between this start and the next, and have one transactionId: that of
    the stop if the start is unknown, otherwise that of the first such reading. A reading without a
    plausible time that arrived before the start belongs to the previous transaction, even if the
    start has an earlier time. One without an id of ours that overtook this start was linked to the
    previous transaction, and is no longer.
    """
    begun, is_without_start = tx.own_start_time, tx.told_id is not None
    before, after = course.around(tx)
    for one in [] if is_without_start else before[:1]:
        if one.own_start_time < begun and unlink_since(db, one, begun, tx.meter_start):
            left = load(db, one.id)
            if (
                TABLE[state(left), Cause.LATER].kind is Kind.REJUDGE
            ):  # its range of the register bounds this one
                judge_now(db, origin, left, Cause.LATER)
            course.forget()
    ended = after[0].own_start_time if after else LAST_TIME
    place = (
        tx.id,
        tx.charger,
        tx.connector,
        begun,
        ended,
        reported_id(tx.told_id),
        is_without_start,
    )
    readings = db.rows(LINK, place)
    if not readings:
        return tx
    _, register = max(
        [reading for reading in readings if reading[1] is not None], default=(None, None)
    )
    newest = "UPDATE tx SET last_reading_at = ?, last_register_wh = ? WHERE id = ?"
    db.execute(newest, (max(timestamp for timestamp, _ in readings), register, tx.id))
    return load(db, tx.id)


def _may_be_set_back(db: UnitOfWork, tx: Known, since: str, lowest: int) -> bool:
    """Whether readings below the next start may be older than they say: those before are not above
    them."""
    if is_other_meter(db.rows, tx.charger, tx.created_at, LAST_TIME):
        return False
    ((highest,),) = db.rows(
        HIGHEST_BEFORE, (tx.charger, tx.connector, tx.own_start_time, since, tx.id)
    )
    return highest is None or lowest >= highest


def unlink_since(db: UnitOfWork, tx: Known, since: str, begin: int | None) -> bool:
    """Unlink the readings that a transaction has though the next one began before them, at the
    register `begin` in Wh; return whether there are any.

    A charger that comes back may send a reading ahead of its queue, when its last transaction still
    seems open. Without an id of ours nothing else shows what it belongs to. A reading up to the
    time of the charger's stop stays, and so do all if one is below `begin`: then their clock was
    set back. Not so if it is of a new meter, or below the readings before: then it counts each
    transaction.
    """
    if (tx.last_reading_at or "") < since:
        return False
    stopped = None if tx.stopped_by == "system" else tx.own_stop_time
    overtaking = (tx.charger, tx.connector, since, stopped or "", tx.id)
    ((number, lowest),) = db.rows(LOWEST, overtaking)
    is_below = lowest is not None and begin is not None and lowest < begin
    if not number or (is_below and _may_be_set_back(db, tx, since, lowest)):
        return False
    db.execute(UNLINK, overtaking)
    set_aside.put_back_readings(db, tx.id, since)
    db.execute(REACHED, (tx.charger, tx.connector, tx.own_start_time, tx.last_reading_at, tx.id))
    return True
