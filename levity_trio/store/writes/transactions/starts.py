"""StartTransaction: opens a transaction once, however often the message is sent (rules.md, Transactions; §4.8)."""

from __future__ import annotations

from levity_trio.access.tags import Policy, Verdict
from levity_trio.charging.lifecycle import Cause, Kind
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.moments import Moment, corrected
from levity_trio.charging.sent.timeline import STILL_SECONDS
from levity_trio.events import TransactionStarted
from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.authorization import Judged, judge_start, record_refusal
from levity_trio.store.writes.effects import Use, use_reservation
from levity_trio.store.writes.hiding import show_again
from levity_trio.store.writes.origin import Message, Origin
from levity_trio.store.writes.transactions import history
from levity_trio.store.writes.transactions.dating import look_again
from levity_trio.store.writes.transactions.history import Entry
from levity_trio.store.writes.transactions.judging import compare_neighbours
from levity_trio.store.writes.transactions.linking import link_earlier
from levity_trio.store.writes.transactions.requests import Opening, Start, Started
from levity_trio.store.writes.transactions.states import Sign, load, resume, revised_skew, wait_again
from levity_trio.wire.texts import digest

STARTS_COMPARED = 50
"""The newest equal starts that are compared. If the clock is never set and the register restarts at 0, all of a tag are
equal."""


def start(db: UnitOfWork, origin: Origin, request: Start, policy: Policy = Policy()) -> Started:  # noqa: B008 - immutable
    """Open a transaction, or return the one that this message opened before. A refused tag changes only the verdict."""
    entry = Entry(Kind.START, "charger", request.moment, None, request.message)
    if known := started_before(db, origin, request, request.message):
        history.add(db, origin, known.transaction, entry)
        sign = Sign(Cause.START_REPEATED, "StartTransaction", request.moment)
        resume(db, origin, load(db, known.transaction), sign)
        wait_again(db, origin, known.transaction)
        return known
    judged = judge_start(db, policy, origin, request.connector, request.id_tag)
    fields = (request.connector, request.id_tag, request.meter_start, request.sent_meter_start, request.reservation_id)
    transaction = insert(db, origin, request.moment, judged, fields)
    history.add(db, origin, transaction, entry)
    record_start(db, origin, transaction, judged)
    use_reservation(db, origin, Use(transaction, request.connector, request.id_tag, request.reservation_id))
    if request.moment.is_believable:
        link_earlier(db, origin, transaction)
    look_again(db, origin, request.moment)
    compare_neighbours(db, origin, transaction)
    return Started(transaction, judged.verdict, judged.is_asked)


def started_before(db: UnitOfWork, origin: Origin, request: Opening, message: Message | None = None) -> Started | None:
    """Return the transaction that this start opened before, and its verdict.

    A plausible time of a running clock identifies the start permanently. Otherwise the start is a repetition if the
    found transaction is open, if it has only a start and no later transaction follows it, or if the same message was
    received before.
    """
    found = db.rows(
        "SELECT id, status = 'Active', created_at, sent_stop_time, stop_received_at,"
        " stopped_by = 'system' AND last_reading_at IS NULL, is_asked, verdict, verdict_expiry, verdict_parent FROM tx"
        " WHERE cp_id = ?"
        " AND conn_id = ? AND id_tag = ? AND sent_start_time = ? AND meter_start = ? ORDER BY id DESC LIMIT ?",
        (origin.charger, request.connector, request.id_tag, request.moment.sent, request.meter_start)
        + (STARTS_COMPARED,),
    )
    for transaction, is_open, created_at, sent_stop_time, stopped_at, is_untold, is_asked, *verdict in found:
        stands_still = sent_stop_time == request.moment.sent and _are_apart(created_at, stopped_at)
        is_unique = request.moment.is_believable and not stands_still
        is_alone = is_untold and not _is_followed(db, origin.charger, request.connector, created_at)
        if is_unique or is_open or is_alone or (message and _came_before(db, transaction, message)):
            return Started(transaction, Verdict(*verdict), bool(is_asked))
    return None


def _are_apart(created_at: str, stopped_at: str | None) -> bool:
    return stopped_at is not None and seconds(stopped_at) - seconds(created_at) > STILL_SECONDS


def _is_followed(db: UnitOfWork, charger: str, connector: int | None, created_at: str) -> bool:
    newer = "SELECT 1 FROM tx WHERE cp_id = ? AND conn_id = ? AND created_at > ? AND imported_id IS NULL LIMIT 1"
    return db.row(newer, (charger, connector, created_at)) is not None


def _came_before(db: UnitOfWork, transaction: int, message: Message) -> bool:
    same = "SELECT 1 FROM tx_event WHERE tx_id = ? AND kind = 'start' AND digest = ? AND message_id = ?"
    return db.row(same, (transaction, digest(message.payload), message.message_id)) is not None


Fields = tuple[int | None, str | None, int | None, str | None, int | None]
"""Connector, tag, register in Wh, the register as sent, reservation."""


def insert(db: UnitOfWork, origin: Origin, moment: Moment, judged: Judged, fields: Fields) -> int:
    """Insert a transaction, and store the time of its charger's last start."""
    at = origin.received_at
    start_time = corrected(moment, at, revised_skew(db, origin, moment))
    transaction = db.insert(
        "INSERT INTO tx (cp_id, session_id, start_time, own_start_time, sent_start_time, start_skew_seconds,"
        " conn_id, id_tag, meter_start, sent_meter_start, reservation_id, verdict, verdict_expiry, verdict_parent,"
        " is_asked, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (origin.charger, origin.session, start_time, moment.understood, moment.sent, moment.skew_seconds)
        + (*fields, *judged.verdict, judged.is_asked, at, at),
    )
    touch = "UPDATE cp SET last_tx_start_at = max(coalesce(last_tx_start_at, ''), ?), updated_at = ? WHERE id = ?"
    db.execute(touch, (start_time, at, origin.charger))
    show_again(db, origin)
    return transaction


def record_start(db: UnitOfWork, origin: Origin, transaction: int, judged: Judged) -> None:
    """Record that a transaction began, and that its tag was refused, unless somebody is still being asked about it."""
    tx = load(db, transaction)
    fact = TransactionStarted(**tx.about(origin.received_at), id_tag=tx.id_tag, meter_start_wh=tx.meter_start)
    db.record(fact, origin.session)
    if not judged.is_asked:
        record_refusal(db, origin, transaction, judged.verdict)
